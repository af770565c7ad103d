"""What can be set, from the environment or `.env`: one frozen object that refuses to exist while anything is wrong."""

import contextlib
import ipaddress
import os
import secrets
from collections.abc import Mapping
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import click
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "FLASKAUTH_"
PUBLISHED_SECRETS = {"7vgtdjh_fgWQgdhLbas9df9409sf6a6ds4f3435fa64\u02c6GggfXV6Miy", "changeme", "secret", "dev"}
SECRET_LENGTH = 32


class SettingsError(click.ClickException):
    """Every fault of the settings at once, each in words, without the values."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("The settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        return False


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not _has_host(value) or parts.query or parts.fragment:
        raise ValueError("must look like https://auth.example.com")
    return value.rstrip("/")


def _database(value: str) -> str:
    try:
        backend = make_url(value).get_backend_name()
    except ArgumentError:
        raise ValueError("must look like mysql://user:password@host/database") from None
    if backend not in {"sqlite", "mysql", "mariadb"}:
        raise ValueError("must start with mysql://, mariadb:// or sqlite://")
    return value


def _redis(value: str) -> str:
    if urlsplit(value).scheme not in {"redis", "rediss"} or not _has_host(value):
        raise ValueError("must look like redis://host:6379/0")
    return value


def _sender(value: str) -> str:
    address = parseaddr(value)[1]
    if "@" not in address or any(ord(letter) < 32 for letter in value):
        raise ValueError("must be an address, such as no-reply@example.com or Name <no-reply@example.com>")
    return value


def is_loopback(host: str) -> bool:
    """Whether a host name or address reaches this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


Networks = Annotated[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], BeforeValidator(_listed)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_listed)]
Minutes = Annotated[int, Field(ge=1, le=5_256_000)]


class Settings(BaseModel):
    """The settings by their names in lower case. `Settings.load()` reads them; durations are in minutes unless said."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, validate_by_name=True)

    # The tutorial's.
    app_name: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f<>]+$")] = "flaskauth"
    secret_key: SecretStr = SecretStr("")
    flask_app: str = "flaskauth"
    flask_debug: bool = False
    flask_testing: bool = False
    sqlalchemy_database_uri: Annotated[str, AfterValidator(_database)] | None = None
    mail_server: str | None = None
    mail_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    mail_username: str | None = None
    mail_password: SecretStr | None = None
    mail_use_tls: bool = False
    mail_use_ssl: bool = False
    mail_default_sender: Annotated[str, AfterValidator(_sender)] | None = None
    mail_debug: bool = False
    server_name: str | None = None
    aws_secret_key: SecretStr | None = None
    aws_key_id: str | None = None
    aws_bucket: str | None = None
    jwt_duration: Annotated[int, Field(ge=1, le=10_080)] = 10
    refresh_token_duration: Minutes = 43_200

    # Ours.
    flaskauth_env: Literal["development", "production"] = "production"
    flaskauth_instance_path: Path = Path("instance")
    redis_url: Annotated[SecretStr, BeforeValidator(_redis)] | None = None
    public_url: Annotated[str, AfterValidator(_http_url)] = ""
    trusted_proxies: Networks = ()
    secret_key_fallbacks: Secrets = ()
    refresh_grace: Annotated[int, Field(ge=0, le=60)] = 30
    refresh_rotation: bool = True
    session_idle_duration: Minutes = 20_160
    jwt_audience: str | None = None
    password_min_length: Annotated[int, Field(ge=8, le=64)] = 8
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_http_url)], ...], BeforeValidator(_listed)] = ()
    metrics_token: Annotated[SecretStr, Field(min_length=16)] | None = None
    request_limits: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    mail_ca_file: Path | None = None
    web_concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 16

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env")) -> Self:
        """Settings from the environment and, where that says nothing, from `.env`.

        Raises:
            SettingsError: one or more values cannot be used; it names every one of them.
        """
        found = {**dotenv_values(dotenv, interpolate=False), **(os.environ if environ is None else environ)}
        values, faults = _read_files({name: value for name, value in found.items() if value})
        faults += [f"{name}: no such setting" for name in values if name.startswith(PREFIX) and name not in names(cls)]
        values = {"FLASKAUTH_ENV": _environment(values), "PUBLIC_URL": _public_url(values), **values}
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(faults + [_in_words(detail) for detail in error.errors()]) from None
        faults += settings.faults()
        if faults:
            raise SettingsError(faults)
        if settings.secret_key.get_secret_value():
            return settings
        return settings.model_copy(update={"secret_key": SecretStr(_kept_secret(settings.flaskauth_instance_path))})

    @property
    def is_development(self) -> bool:
        return self.flaskauth_env == "development"

    @property
    def has_mailbox(self) -> bool:
        """Whether mail stays here and is read at /dev/mailbox."""
        return self.is_development and self.mail_server is None

    @property
    def audience(self) -> str:
        return self.jwt_audience or self.public_url

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret that is used, then those that still open what they closed."""
        return tuple(secret.get_secret_value() for secret in (self.secret_key, *self.secret_key_fallbacks))

    @property
    def sender(self) -> str:
        host = urlsplit(self.public_url).hostname
        return self.mail_default_sender or f"{self.app_name} <no-reply@{host}>"

    @property
    def database_url(self) -> URL:
        """The database as SQLAlchemy wants it; without a setting, a file in the instance folder."""
        return with_driver(
            self.sqlalchemy_database_uri or f"sqlite:///{self.flaskauth_instance_path.absolute()}/flaskauth.db"
        )

    def faults(self) -> list[str]:
        """What may not stand together, in words; production is held to more than development."""
        if self.is_development:
            return []
        told = []
        if self.mail_use_tls and self.mail_use_ssl:
            told.append("MAIL_USE_TLS, MAIL_USE_SSL: one of them (TLS is STARTTLS on port 587, SSL is port 465)")
        if weakness := self._weakness():
            told.append(f"SECRET_KEY: {weakness}")
        if self.mail_server is None:
            told.append("MAIL_SERVER: production needs one to send codes")
        if not self.public_url.startswith("https://") and not is_loopback(urlsplit(self.public_url).hostname or ""):
            told.append("PUBLIC_URL: must be https in production")
        return told

    def warnings(self) -> list[str]:
        """What starts but should not stay."""
        told = []
        if weakness := self._weakness():
            told.append(f"SECRET_KEY: {weakness}")
        if self.request_limits > 1:
            told.append("REQUEST_LIMITS: request limits are loosened")
        if not self.refresh_rotation:
            told.append("REFRESH_ROTATION: a stolen refresh token is not noticed")
        if self.mail_server and not (self.mail_use_tls or self.mail_use_ssl) and not is_loopback(self.mail_server):
            told.append("MAIL_USE_TLS: mail leaves in clear")
        return told

    def _weakness(self) -> str | None:
        key = self.secret_key.get_secret_value()
        if key in PUBLISHED_SECRETS:
            return "has been published; make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        if len(key) < SECRET_LENGTH or len(set(key)) < 10:
            return f"needs {SECRET_LENGTH} random characters or more"
        return None


def names(cls: type[Settings] = Settings) -> list[str]:
    """Every name that is read, as it stands in the environment."""
    return [name.upper() for name in cls.model_fields]


def with_driver(text: str) -> URL:
    """A database's URL with its driver: mysqlclient where it is importable, PyMySQL otherwise, always utf8mb4."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return url
    if url.drivername in {"mysql", "mariadb"}:
        url = url.set(drivername="mysql+mysqldb" if find_spec("MySQLdb") else "mysql+pymysql")
    return url.update_query_dict({"charset": "utf8mb4"})


def _read_files(values: dict[str, str | None]) -> tuple[dict[str, str], list[str]]:
    read, faults = {name: value for name, value in values.items() if value is not None}, []
    for name in names():
        if path := read.pop(f"{name}_FILE", None) if f"{name}_FILE" not in names() else None:
            try:
                read[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                faults.append(f"{name}_FILE: cannot be read")
    return read, faults


def _environment(values: Mapping[str, str]) -> str:
    embedded = not values.get("SQLALCHEMY_DATABASE_URI") and not values.get("MAIL_SERVER")
    debug = values.get("FLASK_DEBUG", "").lower() in {"1", "true", "yes", "on", "t", "y"}
    return "development" if embedded or debug else "production"


def _public_url(values: Mapping[str, str]) -> str:
    name = values.get("SERVER_NAME")
    if not name:
        return "http://localhost:5000"
    return f"{'http' if is_loopback(name.rsplit(':', 1)[0]) else 'https'}://{name}"


def _in_words(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"][:1])
    return f"{name}: {detail['msg'].removeprefix('Value error, ').removeprefix('Input ')}"


def _kept_secret(folder: Path) -> str:
    """The secret of the folder, made once: a link appears whole or not at all, whoever starts beside."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, draft = folder / "secret_key", folder / f".secret_key.{os.getpid()}"
    if not path.exists():
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="utf-8")
