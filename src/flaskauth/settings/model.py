"""The Settings class: loading, checks across several settings, and derived values."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import click
from pydantic import SecretStr, ValidationError
from sqlalchemy import URL

from flaskauth.extras import missing_extra
from flaskauth.settings import loading
from flaskauth.settings.fields import is_domain, is_loopback, origin_of, rate_per_day
from flaskauth.settings.groups import (
    AddressSettings,
    AvatarSettings,
    DatabaseSettings,
    MailContentSettings,
    MailSettings,
    PageSettings,
    PasskeySettings,
    ProcessSettings,
    ProtectionSettings,
    RetentionSettings,
    SecondFactorSettings,
    SecretSettings,
    TokenSettings,
)

PUBLISHED_SECRETS = {"7vgtdjh_fgWQgdhLbas9df9409sf6a6ds4f3435fa64\u02c6GggfXV6Miy", "changeme", "secret", "dev"}
MIN_SECRET_LENGTH = 32
EXTREME_RATE = 100  # times the default
MAX_RELATED_LABELS = 5  # that each browser supports (WebAuthn section 5.11.1)
DEFAULT_DRAIN_DELAY = 5  # seconds
ERROR_MESSAGES = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be an integer",
    "int_parsing_size": "must be an integer",
    "float_parsing": "must be a number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le:.0f}",
    "too_short": "must have at least {min_length} characters",
    "too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
}


class SettingsError(click.ClickException):
    """One or more settings are invalid. `errors` has one message per error, without the values."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("Invalid settings:\n" + "\n".join(f"  - {error}" for error in errors))
        self.errors = errors


class Settings(
    ProcessSettings,
    AddressSettings,
    SecretSettings,
    DatabaseSettings,
    MailSettings,
    MailContentSettings,
    TokenSettings,
    ProtectionSettings,
    PasskeySettings,
    SecondFactorSettings,
    PageSettings,
    RetentionSettings,
    AvatarSettings,
):
    """All settings, as attributes in lower case. Create them with `Settings.load()`."""

    @classmethod
    def load(
        cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = None, port: int = loading.DEFAULT_PORT
    ) -> Self:
        """Load the settings from the environment, then a file. Without SECRET_KEY, development creates a secret file.

        Args:
            environ: environment variables; by default those of the process.
            dotenv: the file; by default the one of FLASKAUTH_ENV_FILE, else `.env` or /etc/flaskauth/flaskauth.env.
            port: port of the default PUBLIC_URL.

        Raises:
            SettingsError: one or more values are invalid, or the secret file cannot be created.
        """
        return cls.read(environ, dotenv, port).with_stored_secret()

    @classmethod
    def read(
        cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = None, port: int = loading.DEFAULT_PORT
    ) -> Self:
        """Return the settings as `load` does, without the stored secret. Create nothing.

        Raises:
            SettingsError: one or more values are invalid.
        """
        settings, errors = cls.load_with_errors(environ, dotenv, port)
        if errors:
            raise SettingsError(errors)
        return settings

    def with_stored_secret(self) -> Self:
        """Return the settings with the secret of the instance folder, if none is set. Create it on first use.

        Raises:
            SettingsError: the secret file cannot be created or read.
        """
        if self.secret_key.get_secret_value():
            return self
        try:
            secret = loading.load_or_create_secret(self.flaskauth_instance_path)
        except OSError as error:
            folder = self.flaskauth_instance_path.absolute()
            raise SettingsError(
                [
                    f"FLASKAUTH_INSTANCE_PATH: cannot store the secret in {folder} ({error.strerror});"
                    " start in a writable folder, or set the path of one"
                ]
            ) from None
        return self.model_copy(update={"secret_key": SecretStr(secret)})

    @classmethod
    def load_with_errors(
        cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = None, port: int = loading.DEFAULT_PORT
    ) -> tuple[Self, list[str]]:
        """Return the settings, with defaults for invalid values, and all errors. Do not create a secret file."""
        environ = os.environ if environ is None else environ
        env_file = dotenv or loading.find_env_file(environ)
        values, errors = loading.read_values(environ, env_file, setting_names(cls), port)
        invalid = _invalid_values(cls, values)
        valid = {name: value for name, value in values.items() if name not in invalid}
        settings = cls.model_validate({"FLASKAUTH_ENV": loading.default_environment(values), **valid})
        errors += [f"{name}: {message}" for name, message in invalid.items()]
        if "FLASKAUTH_ENV" not in invalid:
            errors += [error for error in settings.errors() if error.partition(":")[0] not in invalid]
        return settings, errors

    @property
    def is_development(self) -> bool:
        return self.flaskauth_env == "development"

    @property
    def has_mailbox(self) -> bool:
        """Return True if mail is shown at /dev/mailbox instead of being sent."""
        return self.is_development and self.mail_server is None

    @property
    def drain_seconds(self) -> int:
        """Seconds between SIGTERM and shutdown."""
        if self.drain_delay is not None:
            return self.drain_delay
        return 0 if self.is_development else DEFAULT_DRAIN_DELAY

    @property
    def is_metrics_enabled(self) -> bool:
        """Return True if any client may read /metrics."""
        return self.metrics_token is not None or self.has_mailbox

    @property
    def audience(self) -> str:
        return self.jwt_audience or self.public_url

    @property
    def rp_id(self) -> str:
        """The RP ID of passkeys; by default the host of PUBLIC_URL."""
        return self.webauthn_rp_id or urlsplit(origin_of(self.public_url)).hostname or ""

    @property
    def passkey_origins(self) -> tuple[str, ...]:
        """The origins where passkeys may be used."""
        return origin_of(self.public_url), *self.webauthn_origins

    @property
    def related_origins(self) -> tuple[str, ...]:
        """The web origins where passkeys may be used outside the RP ID (WebAuthn section 5.11)."""
        hosts = {origin: urlsplit(origin).hostname or "" for origin in self.passkey_origins}
        return tuple(origin for origin, host in hosts.items() if host and not f".{host}".endswith(f".{self.rp_id}"))

    @property
    def secrets(self) -> tuple[str, ...]:
        """The current secret, then the fallbacks."""
        return tuple(secret.get_secret_value() for secret in (self.secret_key, *self.secret_key_fallbacks))

    @property
    def sender(self) -> str:
        host = urlsplit(self.public_url).hostname
        return self.mail_default_sender or f"{self.app_name} <no-reply@{host}>"

    @property
    def database_url(self) -> URL:
        """The database URL with its driver; by default an SQLite file in the instance folder."""
        return loading.with_driver(
            self.sqlalchemy_database_uri or f"sqlite:///{self.flaskauth_instance_path.absolute()}/flaskauth.db"
        )

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database, else None."""
        url = self.database_url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    def errors(self) -> list[str]:
        """Return the errors that involve several settings. Development has none."""
        if self.is_development:
            return []
        messages = []
        if self.flask_debug:
            messages.append("FLASK_DEBUG: must be false in production")
        if self.mail_use_tls and self.mail_use_ssl:
            messages.append("MAIL_USE_TLS, MAIL_USE_SSL: set only one (TLS is STARTTLS on port 587, SSL is port 465)")
        if weakness := _describe_weakness(self.secret_key.get_secret_value()):
            messages.append(f"SECRET_KEY: {weakness}")
        if self.mail_server is None:
            messages.append("MAIL_SERVER: required in production to send codes")
        if not self.public_url.startswith("https://") and not is_loopback(urlsplit(self.public_url).hostname or ""):
            messages.append("PUBLIC_URL: must be https in production")
        if self.aws_bucket and (missing := missing_extra("avatars")):
            messages.append(f"AWS_BUCKET: cannot be used because {missing}")
        if self.aws_bucket and bool(self.aws_key_id) != bool(self.aws_secret_key):
            messages.append("AWS_KEY_ID, AWS_SECRET_KEY: set both or neither")
        return messages

    def warnings(self) -> list[str]:
        """Return warnings about valid but risky settings."""
        messages = []
        if weakness := _describe_weakness(self.secret_key.get_secret_value()):
            messages.append(f"SECRET_KEY: {weakness}")
        if any(map(_describe_weakness, self.secrets[1:])):  # not an error, or a weak SECRET_KEY could not be rotated
            messages.append(
                "SECRET_KEY_FALLBACKS: contains a weak or published secret that is still accepted; remove it soon"
            )
        if self.is_development and self.flaskauth_dev_hosts:
            hosts = ", ".join(map(str, self.flaskauth_dev_hosts))
            messages.append(f"FLASKAUTH_DEV_HOSTS: {hosts} can use this development server and read all codes")
        if not self.is_development and "app_name" not in self.model_fields_set:
            messages.append(f"APP_NAME: not set, so mails and pages say {self.app_name}")
        if not self.is_development and self.flask_testing:
            messages.append("FLASK_TESTING: Flask and its extensions may skip protections; set it to false")
        messages += [
            f"{name.upper()}: so high that it hardly limits one attacker"
            for name in ("rate_limit_login_failures", "rate_limit_mail")
            if rate_per_day(getattr(self, name)) > EXTREME_RATE * rate_per_day(type(self).model_fields[name].default)
        ]
        if self.rate_limit_factor > 1:
            messages.append("RATE_LIMIT_FACTOR: the request rate limits are raised")
        if not self.refresh_token_rotation:
            messages.append("REFRESH_TOKEN_ROTATION: without rotation, a stolen refresh token is not detected")
        if missing := missing_extra("avatars"):
            messages.append(f"PUT /users/avatar: rejects every upload because {missing}")
        if self.mail_server and not (self.mail_use_tls or self.mail_use_ssl) and not is_loopback(self.mail_server):
            messages.append("MAIL_USE_TLS: mail is sent unencrypted")
        return [*messages, *self._factor_warnings(), *self._theme_warnings()]

    def _theme_warnings(self) -> list[str]:
        folder = self.theme_dir
        return [f"THEME_DIR: there is no folder {folder}"] if folder and not folder.is_dir() else []

    def _factor_warnings(self) -> list[str]:
        messages = []
        if self.second_factor_from and self.second_factor != "required":
            messages.append(f"SECOND_FACTOR_FROM: has no effect, because SECOND_FACTOR is {self.second_factor}")
        if self.rp_id and not is_domain(self.rp_id) and not is_loopback(self.rp_id):
            messages.append("WEBAUTHN_RP_ID: browsers accept no passkeys at the host of PUBLIC_URL; set a domain")
        if len({_registrable_label(origin) for origin in self.related_origins}) > MAX_RELATED_LABELS:
            messages.append(
                f"WEBAUTHN_ORIGINS: browsers need to support only {MAX_RELATED_LABELS} names outside the RP ID"
            )
        return messages


def _describe_weakness(secret: str) -> str | None:
    if secret in PUBLISHED_SECRETS:
        return "is a published value; create one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    if len(secret) < MIN_SECRET_LENGTH or len(set(secret)) < 10:
        return f"must have at least {MIN_SECRET_LENGTH} random characters"
    return None


def _registrable_label(origin: str) -> str:
    """Return the label that browsers count: "example" of https://auth.example.com and https://example.co.uk."""
    labels = (urlsplit(origin).hostname or "").split(".")[:-1] or [""]
    return labels[-2] if len(labels) > 1 and len(labels[-1]) <= 3 else labels[-1]


def setting_names(cls: type[Settings] = Settings) -> list[str]:
    """Return the names of all settings, as in the environment."""
    return [name.upper() for name in cls.model_fields]


def _invalid_values(cls: type[Settings], values: Mapping[str, str]) -> dict[str, str]:
    """Return an error message for each invalid value, by name."""
    try:
        cls.model_validate(values)
    except ValidationError as error:
        return {str(detail["loc"][0]): _describe_error(detail) for detail in error.errors()}
    return {}


def _describe_error(detail: Mapping[str, Any]) -> str:
    if template := ERROR_MESSAGES.get(detail["type"]):
        return template.format(**detail.get("ctx", {}))
    return str(detail["msg"]).removeprefix("Value error, ")
