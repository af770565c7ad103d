"""The settings by their names, and what may not stand together."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import click
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from sqlalchemy import URL

from flaskauth.settings import reading
from flaskauth.settings.fields import (
    DatabaseUrl,
    Minutes,
    Networks,
    Port,
    RedisUrl,
    Secrets,
    Sender,
    Url,
    Urls,
    is_loopback,
)

PUBLISHED_SECRETS = {"7vgtdjh_fgWQgdhLbas9df9409sf6a6ds4f3435fa64\u02c6GggfXV6Miy", "changeme", "secret", "dev"}
SECRET_LENGTH = 32


class SettingsError(click.ClickException):
    """Every fault of the settings at once, each in words, without the values."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("The settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


class Settings(BaseModel):
    """The settings by their names in lower case. `Settings.load()` reads them; durations are in minutes unless said."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper, validate_by_name=True)

    # The tutorial's.
    app_name: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f<>]+$")] = "flaskauth"
    secret_key: SecretStr = SecretStr("")
    flask_app: str = "flaskauth"
    flask_debug: bool = False
    flask_testing: bool = False
    sqlalchemy_database_uri: Annotated[DatabaseUrl | None, Field(repr=False)] = None  # its password is not shown
    mail_server: str | None = None
    mail_port: Port | None = None
    mail_username: str | None = None
    mail_password: SecretStr | None = None
    mail_use_tls: bool = False
    mail_use_ssl: bool = False
    mail_default_sender: Sender | None = None
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
    redis_url: RedisUrl | None = None
    public_url: Url = ""
    trusted_proxies: Networks = ()
    secret_key_fallbacks: Secrets = ()
    refresh_grace: Annotated[int, Field(ge=0, le=60)] = 30
    refresh_rotation: bool = True
    session_idle_duration: Minutes = 20_160
    jwt_audience: str | None = None
    password_min_length: Annotated[int, Field(ge=8, le=64)] = 8
    cors_origins: Urls = ()
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
        values, faults = reading.read(os.environ if environ is None else environ, dotenv, names(cls))
        wrong = _wrong(cls, values)
        settings = cls.model_validate({name: value for name, value in values.items() if name not in wrong})
        faults += [f"{name}: {told}" for name, told in wrong.items()]
        if "FLASKAUTH_ENV" not in wrong:
            faults += [fault for fault in settings.faults() if fault.partition(":")[0] not in wrong]
        if faults:
            raise SettingsError(faults)
        if settings.secret_key.get_secret_value():
            return settings
        kept = reading.kept_secret(settings.flaskauth_instance_path)
        return settings.model_copy(update={"secret_key": SecretStr(kept)})

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
        return reading.with_driver(
            self.sqlalchemy_database_uri or f"sqlite:///{self.flaskauth_instance_path.absolute()}/flaskauth.db"
        )

    def faults(self) -> list[str]:
        """What may not stand together, in words; production is held to more than development."""
        if self.is_development:
            return []
        told = []
        if self.flask_debug:
            told.append("FLASK_DEBUG: not in production")
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


def _wrong(cls: type[Settings], values: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the values that cannot be used, by name."""
    try:
        cls.model_validate(values)
    except ValidationError as error:
        return {str(detail["loc"][0]): _in_words(detail) for detail in error.errors()}
    return {}


def _in_words(detail: Any) -> str:
    told: str = detail["msg"]
    return told.removeprefix("Value error, ").removeprefix("Input ")
