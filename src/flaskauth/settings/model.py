"""The settings as one object: how they are read, what may not stand together, what follows from them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import click
from pydantic import SecretStr, ValidationError
from sqlalchemy import URL

from flaskauth.settings import reading
from flaskauth.settings.fields import is_loopback
from flaskauth.settings.values import Address, Keys, Limits, Mail, Pictures, Process, Records, Stores, Tokens

PUBLISHED_SECRETS = {"7vgtdjh_fgWQgdhLbas9df9409sf6a6ds4f3435fa64\u02c6GggfXV6Miy", "changeme", "secret", "dev"}
SECRET_LENGTH = 32
DRAIN_DELAY = 5  # seconds
WORDS = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "too_short": "needs {min_length} characters or more",
}


class SettingsError(click.ClickException):
    """Every fault of the settings at once, each in words, without the values."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("The settings cannot be used:\n" + "\n".join(f"  - {fault}" for fault in faults))
        self.faults = faults


class Settings(Process, Address, Keys, Stores, Mail, Tokens, Limits, Records, Pictures):
    """The settings by their names in lower case. `Settings.load()` reads them."""

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env"), port: int = reading.PORT
    ) -> Self:
        """Settings from the environment and, where that says nothing, from `.env`; `port` is where it will serve.

        Raises:
            SettingsError: one or more values cannot be used; it names every one of them.
        """
        settings, faults = cls.examine(environ, dotenv, port)
        if faults:
            raise SettingsError(faults)
        if settings.secret_key.get_secret_value():
            return settings
        try:
            kept = reading.kept_secret(settings.flaskauth_instance_path)
        except OSError as error:
            folder = settings.flaskauth_instance_path.absolute()
            raise SettingsError(
                [
                    f"FLASKAUTH_INSTANCE_PATH: no secret can be kept in {folder} ({error.strerror});"
                    " start in a folder of yours, or name one"
                ]
            ) from None
        return settings.model_copy(update={"secret_key": SecretStr(kept)})

    @classmethod
    def examine(
        cls, environ: Mapping[str, str] | None = None, dotenv: Path = Path(".env"), port: int = reading.PORT
    ) -> tuple[Self, list[str]]:
        """What could be read, with defaults for what cannot be used, and every fault; makes nothing."""
        values, faults = reading.read(os.environ if environ is None else environ, dotenv, names(cls), port)
        wrong = _wrong(cls, values)
        settings = cls.model_validate({name: value for name, value in values.items() if name not in wrong})
        faults += [f"{name}: {told}" for name, told in wrong.items()]
        if "FLASKAUTH_ENV" not in wrong:
            faults += [fault for fault in settings.faults() if fault.partition(":")[0] not in wrong]
        return settings, faults

    @property
    def is_development(self) -> bool:
        return self.flaskauth_env == "development"

    @property
    def has_mailbox(self) -> bool:
        """Whether mail stays here and is read at /dev/mailbox."""
        return self.is_development and self.mail_server is None

    @property
    def drains_for(self) -> int:
        """Seconds between being told to end and ending."""
        if self.drain_delay is not None:
            return self.drain_delay
        return 0 if self.is_development else DRAIN_DELAY

    @property
    def is_measured(self) -> bool:
        """Whether there is somebody who may see /metrics."""
        return self.metrics_token is not None or self.has_mailbox

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
        if weakness := _weakness(self.secret_key.get_secret_value()):
            told.append(f"SECRET_KEY: {weakness}")
        if self.mail_server is None:
            told.append("MAIL_SERVER: production needs one to send codes")
        if not self.public_url.startswith("https://") and not is_loopback(urlsplit(self.public_url).hostname or ""):
            told.append("PUBLIC_URL: must be https in production")
        if self.aws_bucket and bool(self.aws_key_id) != bool(self.aws_secret_key):
            told.append("AWS_KEY_ID, AWS_SECRET_KEY: both, or neither")
        return told

    def warnings(self) -> list[str]:
        """What starts but should not stay."""
        told = []
        if weakness := _weakness(self.secret_key.get_secret_value()):
            told.append(f"SECRET_KEY: {weakness}")
        if any(map(_weakness, self.secrets[1:])):  # no fault, or nobody could change a weak one
            told.append("SECRET_KEY_FALLBACKS: one is weak or published, and opens what it sealed; drop it soon")
        if self.request_limits > 1:
            told.append("REQUEST_LIMITS: request limits are loosened")
        if not self.refresh_rotation:
            told.append("REFRESH_ROTATION: a stolen refresh token is not noticed")
        if self.mail_server and not (self.mail_use_tls or self.mail_use_ssl) and not is_loopback(self.mail_server):
            told.append("MAIL_USE_TLS: mail leaves in clear")
        return told


def _weakness(key: str) -> str | None:
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
    if words := WORDS.get(detail["type"]):
        return words.format(**detail.get("ctx", {}))
    told: str = detail["msg"]
    return told.removeprefix("Value error, ").removeprefix("Input ")
