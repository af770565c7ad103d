"""Every setting by its name in lower case, and what it is for: `.env.example` and the pages are made from here."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from flaskauth.settings.fields import (
    BreachedPasswords,
    DatabaseUrl,
    Endpoint,
    Minutes,
    Networks,
    Origins,
    Port,
    RedisUrl,
    Secrets,
    Sender,
    Url,
)


class Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=str.upper, validate_by_name=True, use_attribute_docstrings=True
    )


class Process(Section):
    """What it runs as"""

    flaskauth_env: Literal["development", "production"] = "production"
    """`development` (for this machine only: mail stays here, limits of production are relaxed) or `production`. Unset:
    development while neither `SQLALCHEMY_DATABASE_URI` nor `MAIL_SERVER` is set or `FLASK_DEBUG` is true, production
    otherwise.
    """

    app_name: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f<>]+$")] = "flaskauth"
    """What people read in mails and on pages."""

    flaskauth_instance_path: Path = Path("instance")
    """Where it keeps what it makes by itself: the embedded database, its secret, pictures."""

    web_concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    """How many processes serve; each takes its share of the processors. `flaskauth serve --workers` sets it."""

    drain_delay: Annotated[int, Field(ge=0, le=60)] | None = None
    """Seconds that `flaskauth serve` goes on answering after it is told to end, while `/health/ready` says 503 and
    every answer closes its connection: as long as a proxy takes to notice. Unset: 5, and none in development.
    """

    flask_app: str = "flaskauth"
    """Flask's own: the application that `flask run` serves."""

    flask_debug: bool = False
    """Flask's debugger and reloader, for working on the code. Refused in production."""

    flask_testing: bool = False
    """Flask's testing mode."""


class Address(Section):
    """Where it is reached"""

    public_url: Url = ""
    """The root of every link and the issuer of every token, such as `https://auth.example.com`. Unset it is made from
    `SERVER_NAME`, else `http://localhost` with the port where it serves, 5000. In production it must be https.
    """

    server_name: str | None = None
    """A host name, from which `PUBLIC_URL` is made where that is not set: `auth.example.com`."""

    trusted_proxies: Networks = ()
    """Addresses or networks of the proxies in front of it, separated by commas: `127.0.0.1, 10.0.0.0/8`.
    `X-Forwarded-For` is believed from them only.
    """

    cors_origins: Origins = ()
    """Origins of web pages that may call it from a browser, separated by commas: `https://app.example.com`."""


class Keys(Section):
    """Secrets"""

    secret_key: SecretStr = SecretStr("")
    """Everything is derived from it. Production needs 32 random characters or more, made for example with
    `python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`. Unset, development makes one and keeps it in the
    instance folder.
    """

    secret_key_fallbacks: Secrets = ()
    """Other secrets, separated by commas, that open what they closed. To change `SECRET_KEY`, put the new one here
    first, everywhere; then let the two change places; take the old one out a month later.
    """

    metrics_token: Annotated[SecretStr, Field(min_length=16)] | None = None
    """Opens `GET /metrics` and the details of `GET /health/ready` to whoever brings it as a bearer token; 16 characters
    or more. Unset, nothing is measured in production; in development both are open where the mailbox is.
    """


class Stores(Section):
    """Database and Redis"""

    sqlalchemy_database_uri: Annotated[DatabaseUrl | None, Field(repr=False)] = None  # its password is not shown
    """MySQL or MariaDB: `mysql://user:password@host/database`. Unset, SQLite in the instance folder."""

    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 16
    """Connections of each process to the database that are kept for transactions; up to 12 more are opened."""

    redis_url: RedisUrl | None = None
    """Redis for Celery and for request limits that all processes share: `redis://host:6379/0`. Unset, threads of the
    server do the work, and each process takes its share of the limits.
    """


class Mail(Section):
    """Mail"""

    mail_server: str | None = None
    """The SMTP server. Unset in development, mail is read at `/dev/mailbox`; production needs one."""

    mail_port: Port | None = None
    """Its port. Unset: 465 with `MAIL_USE_SSL`, 587 with `MAIL_USE_TLS`, 25 otherwise."""

    mail_username: str | None = None
    """Whom to sign in to it as."""

    mail_password: SecretStr | None = None
    """With which password."""

    mail_use_tls: bool = False
    """STARTTLS: begin in clear and go on encrypted (port 587)."""

    mail_use_ssl: bool = False
    """TLS from the first byte (port 465). One of the two, not both."""

    mail_ca_file: Path | None = None
    """A file with the certificates that its server's certificate may come from. Unset, those that the machine trusts
    are good.
    """

    mail_default_sender: Sender | None = None
    """Who mails are from: `no-reply@example.com` or `Name <no-reply@example.com>`. Unset: `APP_NAME` at the host
    of `PUBLIC_URL`.
    """

    mail_debug: bool = False
    """Write the stages of each conversation with the mail server into the log, without what was said."""


class Tokens(Section):
    """Tokens and sessions"""

    jwt_duration: Annotated[int, Field(ge=1, le=10_080)] = 10
    """Minutes that an access token is good for."""

    jwt_audience: str | None = None
    """Who access tokens are for (their `aud`). Unset: `PUBLIC_URL`."""

    refresh_token_duration: Minutes = 43_200
    """The most minutes that a session lasts, however much it is used; 43200 are 30 days."""

    session_idle_duration: Minutes = 20_160
    """The most minutes that a session lasts without being used; 20160 are 14 days."""

    refresh_rotation: bool = True
    """Whether each refresh gives a new refresh token and an old one that comes again ends the session. false is for
    clients that keep their first refresh token; a stolen one is then not noticed.
    """

    refresh_grace: Annotated[int, Field(ge=0, le=60)] = 30
    """Seconds in which a refresh token that was just traded gets the same successor again, for two tabs and lost
    answers; 0 is strict.
    """


class Limits(Section):
    """Passwords and floods"""

    password_min_length: Annotated[int, Field(ge=8, le=64)] = 8
    """The fewest characters of a password. 15 is what NIST SP 800-63B-4 asks for where a password stands alone."""

    breached_passwords: BreachedPasswords | None = None
    """Where passwords from breaches of other services are looked up, so that nobody chooses one: a file that
    `flaskauth passwords build-filter` made, or the root of a service that answers as the range API of Pwned Passwords
    does, such as `https://example.com/range`. Unset, they are not looked up.
    """

    request_limits: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """A factor on the request limits by network, for load tests; above 1 warns. What guards passwords and codes has no
    switch.
    """


class Records(Section):
    """What is kept"""

    audit_retention_days: Annotated[int, Field(ge=30, le=36_500)] = 365
    """Days that an event stays in `audit_events`."""


class Pictures(Section):
    """Pictures of people"""

    aws_bucket: str | None = None
    """The S3 bucket where they are kept, under `avatars/`, for this installation alone: what no account has is deleted.
    Unset, they are kept in the instance folder.
    """

    aws_key_id: str | None = None
    """Its access key's id. Unset, the machine's own credentials are used: a role, or AWS's variables."""

    aws_secret_key: SecretStr | None = None
    """Its access key's secret."""

    aws_region: str | None = None
    """Its region: `eu-central-1`. Unset: `us-east-1`."""

    aws_endpoint_url: Endpoint | None = None
    """Where another store that speaks S3 is reached: `https://s3.example.com`. Unset, Amazon's."""


SECTIONS: tuple[type[Section], ...] = (Process, Address, Keys, Stores, Mail, Tokens, Limits, Records, Pictures)
