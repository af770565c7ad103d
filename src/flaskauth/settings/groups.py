"""The settings by group. `.env.example` and the settings page are generated from these docstrings."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from flaskauth.settings.fields import (
    AppName,
    BreachedPasswords,
    Color,
    DatabaseUrl,
    Date,
    EmailAddress,
    Endpoint,
    HeaderSecret,
    ImageUrl,
    Line,
    Minutes,
    Networks,
    Origins,
    Port,
    Rates,
    RedisUrl,
    ReturnUrls,
    RpId,
    Secrets,
    Sender,
    ThemeColor,
    Url,
    WebAuthnOrigins,
)


class Section(BaseModel):
    """A group of settings. The docstring of a subclass is its heading, that of a field its description."""

    model_config = ConfigDict(  # defer_build: only `Settings`, with the fields of all groups, needs a validator
        frozen=True, extra="ignore", alias_generator=str.upper, validate_by_name=True, defer_build=True
    )


class ProcessSettings(Section):
    """Process"""

    flaskauth_env_file: Path | None = None
    """File to read the settings from, in the format of this file. It can be set in the environment only. Unset: `.env`
    in the working directory, else `/etc/flaskauth/flaskauth.env`. Only one file is read.
    """

    flaskauth_env: Literal["development", "production"] = "production"
    """`production`, or `development`: serve this machine only, keep mail in a local mailbox and skip the safety checks
    of production. Unset: `development` if neither `SQLALCHEMY_DATABASE_URI` nor `MAIL_SERVER` is set or if
    `FLASK_DEBUG` is true, else `production`.
    """

    flaskauth_dev_hosts: Networks = ()
    """Comma-separated IP addresses or networks that may also use a development server and read its mailbox, such as
    `172.17.0.0/16` for Docker or `192.168.1.20` for a phone. Use only networks that you trust: the mailbox shows all
    codes. A warning is logged at start. Browsers there can send forms only if `PUBLIC_URL` is the URL that they open.
    Unset: this machine only.
    """

    app_name: Annotated[AppName, Field(max_length=60)] = "flaskauth"
    """The name of the application that users see in mails and on pages."""

    flaskauth_instance_path: Path = Path("instance")
    """Folder for the data that the server creates: the SQLite database, the generated secret and avatars."""

    web_concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    """Number of server processes. `flaskauth serve --workers` overrides it. In production, one further process hashes
    passwords on all CPU cores; otherwise each server process hashes them on an equal share.
    """

    drain_delay: Annotated[int, Field(ge=0, le=60)] | None = None
    """Seconds that `flaskauth serve` keeps serving after SIGTERM. Meanwhile `/health/ready` returns 503 and each
    response closes its connection. Use the time that the load balancer needs to notice. Unset: 5 in production, 0 in
    development.
    """

    log_format: Literal["console", "json"] | None = None
    """`json`: one line for each event on standard error; `console`: text for a terminal. Unset: `console` on a terminal
    in development, else `json`. It has no effect if the application configures logging.
    """

    flask_app: str = "flaskauth"
    """Flask's setting: the application that `flask run` serves."""

    flask_debug: bool = False
    """Flask's setting: debugger and reloader, for development only. Production rejects it."""

    flask_testing: bool = False
    """Flask's setting: testing mode."""


class AddressSettings(Section):
    """URLs and proxies"""

    public_url: Url = ""
    """The URL at which clients reach the server, such as `https://auth.example.com`. It is the root of all links and
    the issuer (`iss`) of access tokens. Production requires https, except on a loopback host. Unset: made from
    `SERVER_NAME`, else `http://localhost:5000` with the port of `flaskauth serve`.
    """

    server_name: str | None = None
    """Host name, such as `auth.example.com`. It is used only to make `PUBLIC_URL` if that is not set."""

    trusted_proxies: Networks = ()
    """Comma-separated IP addresses or networks of the reverse proxies, such as `127.0.0.1, 10.0.0.0/8`.
    `X-Forwarded-For` is trusted only if it comes from them.
    """

    cors_origins: Origins = ()
    """Comma-separated origins of web pages and web views that may call the API (CORS), such as
    `https://app.example.com, capacitor://localhost`. They must match exactly.
    """


class SecretSettings(Section):
    """Secrets"""

    secret_key: SecretStr = SecretStr("")
    """All keys are derived from this secret. Production requires at least 32 random characters. Unset: development
    generates one and stores it in the instance folder. Create one: `python3 -c 'import secrets;
    print(secrets.token_urlsafe(48))'`.
    """

    secret_key_fallbacks: Secrets = ()
    """Comma-separated secrets that are still accepted for what they encrypted or signed. To rotate `SECRET_KEY`: add
    the new secret here on all nodes, then swap the two, and remove the old one after a month.
    """

    metrics_token: Annotated[HeaderSecret, Field(min_length=16)] | None = None
    """Bearer token for `GET /metrics` and for the `checks` of `GET /health/ready`, at least 16 ASCII characters.
    Unset: production records no metrics; development serves both under the same conditions as the mailbox.
    """


class DatabaseSettings(Section):
    """Database and Redis"""

    sqlalchemy_database_uri: Annotated[DatabaseUrl | None, Field(repr=False)] = None  # it contains a password
    """URL of a MySQL or MariaDB database: `mysql://user:password@host/name`. Unset: SQLite in the instance folder.

    `sqlite:///auth.db` is an SQLite file in the working directory.
    """

    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 16
    """Database connections that each process keeps open for transactions. Up to 12 more are opened under load."""

    redis_url: RedisUrl | None = None
    """URL of Redis, for Celery and for rate limits shared by all processes: `redis://host:6379/0`. Unset: threads of
    the server run the background jobs, and each process enforces its share of the rate limits.
    """


class MailSettings(Section):
    """Mail"""

    mail_server: str | None = None
    """SMTP host name. Production requires it. Unset in development: mail is not sent but shown at `/dev/mailbox`."""

    mail_port: Port | None = None
    """SMTP port. Unset: 465 with `MAIL_USE_SSL`, 587 with `MAIL_USE_TLS`, else 25."""

    mail_username: str | None = None
    """SMTP user name. It and the password are sent as UTF-8."""

    mail_password: SecretStr | None = None
    """SMTP password."""

    mail_use_tls: bool = False
    """Use STARTTLS (port 587): upgrade the connection to TLS before logging in."""

    mail_use_ssl: bool = False
    """Use implicit TLS (port 465). Set either this or `MAIL_USE_TLS`, not both."""

    mail_ca_file: Path | None = None
    """File with the CA certificates that verify the SMTP server. Unset: the CA certificates of the system."""

    mail_default_sender: Sender | None = None
    """Sender of all mail: `no-reply@example.com` or `Name <no-reply@example.com>`. Unset: `APP_NAME` with the address
    `no-reply` at the host of `PUBLIC_URL`.
    """

    mail_debug: bool = False
    """Log the stages of each SMTP session, without their content."""


class MailContentSettings(Section):
    """Content of mails"""

    mail_template_folder: Path = Path("templates/flaskauth")
    """Folder of templates that replace those of mails (`flaskauth templates copy`) and, in `pages`, of hosted pages."""

    mail_logo_url: ImageUrl | None = None
    """URL of the logo at the top of HTML mails, such as `https://example.com/logo.png`: a PNG or JPEG file, shown 40
    pixels high. Unset: mails show `APP_NAME`.
    """

    mail_brand_color: Color | None = None
    """Background color of the button in HTML mails, such as `#3344a8`. Its text is white or black, whichever has the
    higher contrast. Unset: blue.
    """

    mail_support_address: EmailAddress | None = None
    """Email address for questions, such as `support@example.com`. Mails end with it. Unset: mails show none."""

    mail_postal_address: Annotated[Line, Field(max_length=200)] | None = None
    """The last line of mails, such as `Example Ltd, 1 Main Street, London`. Some countries require a postal address.
    Unset: no line.
    """


class TokenSettings(Section):
    """Tokens and sessions"""

    jwt_duration: Annotated[int, Field(ge=1, le=10_080)] = 10
    """Lifetime of an access token in minutes."""

    jwt_audience: str | None = None
    """Audience (`aud`) of access tokens. Unset: `PUBLIC_URL`."""

    refresh_token_duration: Minutes = 43_200
    """Maximum lifetime of a session in minutes, even if it is in use. 43200 minutes are 30 days."""

    session_idle_timeout: Minutes = 20_160
    """Minutes after the last refresh at which an unused session expires. 20160 minutes are 14 days."""

    refresh_token_rotation: bool = True
    """Return a new refresh token at each refresh, and revoke the session if an old one is reused. `false` is for
    clients that cannot store a new refresh token; the theft of a token is then not detected.
    """

    refresh_token_reuse_interval: Annotated[int, Field(ge=0, le=60)] = 30
    """Seconds after a rotation in which the old refresh token returns the same successor again. This covers two tabs
    and lost responses. A recognised network may repeat it later, while the successor is unused. 0 allows no reuse.
    """


class ProtectionSettings(Section):
    """Passwords and rate limits"""

    password_min_length: Annotated[int, Field(ge=8, le=64)] = 8
    """Minimum password length in characters. NIST SP 800-63B-4 requires 15 if the password is the only factor."""

    email_sign_in: bool = False
    """Let users sign in with a code from a mail instead of the password: `POST /auth/email-code`, and a link on the
    sign-in page. A mailbox then gives access to the account, as it does by a password reset.
    """

    breached_passwords: BreachedPasswords | None = None
    """Reject passwords that appear in known data breaches. Set a filter file that `flaskauth passwords build-filter`
    created, or the root URL of a range API that is compatible with Pwned Passwords, such as
    `https://example.com/range`. Unset: no check.
    """

    rate_limit_login: Rates = "300/minute"
    """Requests per network, right passwords included: `POST /auth/login`, `/auth/passkeys`, `/auth/second-factor`,
    `/auth/reauthenticate` and `/auth/change-password`, each.
    """

    rate_limit_login_failures: Rates = "30/minute; 300/hour"
    """Wrong passwords and second factors per network, for all accounts together. Right ones and recognised devices are
    not counted. Further limits per account are fixed.
    """

    rate_limit_register: Rates = "60/minute"
    """Requests per network: `POST /auth/register`."""

    rate_limit_send_code: Rates = "60/minute"
    """Requests per network: `POST /auth/resend`, `/auth/forgot-password`, `/auth/email-code`, `/auth/lost-factor` and
    `/users/email`, each.
    """

    rate_limit_verify: Rates = "120/minute"
    """Requests per network: `POST /auth/verify`, `/auth/reset-password`, `/auth/email-code/verify`,
    `/auth/lost-factor/confirm`, `/auth/reauthenticate/options`, `/users/email/verify`,
    `/users/factors/totp/<id>/confirm`, and the options of passkeys, each. The limits of attempts per code are fixed.
    """

    rate_limit_refresh: Rates = "600/minute"
    """Requests per network: `POST /auth/refresh`."""

    rate_limit_default: Rates = "600/minute"
    """Requests per network: each other route with a limit."""

    rate_limit_mail: Rates = "60/hour; 200/day"
    """Mails that clients of one network can request without an access token, for all addresses together. A mail whose
    code verifies a registration is not counted.
    """

    rate_limit_factor: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    """Factor for all request rate limits per network except `RATE_LIMIT_MAIL`, for load tests. A value above 1 logs a
    warning. The attempt limits per account and per code cannot be changed.
    """


class SecondFactorSettings(Section):
    """Second factors"""

    second_factor: Literal["off", "optional", "required"] = "optional"
    """Second factors of users, such as an authenticator app or a passkey. `optional`: users can add them. `required`: a
    user without one can only add one. `off`: no factors; the server does not start if a user has one.
    """

    second_factor_from: Date | None = None
    """With `SECOND_FACTOR=required`, the date (UTC) from which a factor is required, such as `2027-01-31`. Until then,
    the response of a sign-in contains it as `enrol_by`. Unset: immediately.
    """

    factor_reset_delay: Annotated[int, Field(ge=0, le=160)] = 72
    """Hours after which the second factors of a user who has lost them are removed: `POST /auth/lost-factor`. A mail
    each day has a link that cancels it. 0: only operators can remove them. Works with `SECOND_FACTOR=optional` only.
    """

    remember_device_days: Annotated[int, Field(ge=0, le=365)] = 30
    """Days for which a device can replace the second factor after a right password, if the user asks for it. Such a
    sign-in is `aal1`. 0: never.
    """


class PasskeySettings(Section):
    """Passkeys"""

    webauthn_rp_id: RpId | None = None
    """The domain that passkeys belong to (RP ID), such as `example.com`. Passkeys work at this domain, its subdomains
    and the origins of `WEBAUTHN_ORIGINS`. A change makes all passkeys unusable. Unset: the host of `PUBLIC_URL`.
    """

    webauthn_origins: WebAuthnOrigins = ()
    """Comma-separated origins of web pages and apps where passkeys may be used, besides that of `PUBLIC_URL`:
    `https://app.example.com`, or `android:apk-key-hash:` with the hash of the certificate of an Android app. They must
    match exactly. Origins outside the RP ID are listed at `/.well-known/webauthn`.
    """


class PageSettings(Section):
    """Hosted pages"""

    pages: bool = True
    """Serve HTML pages for registration, sign-in and the account, such as `/sign-in`. `false`: 404, only the API."""

    return_to: ReturnUrls = ()
    """Comma-separated URLs that a page may return to after a sign-in, besides paths of its own host:
    `https://app.example.com/home`, or `com.example.app:/home` for a native app. They must match exactly.
    """

    theme_color: ThemeColor | None = None
    """Color of buttons and links on pages, such as `#3344a8`. White text on it must have a contrast of at least 4.5:1
    (WCAG 2.2). Unset: blue.
    """

    theme_dir: Path | None = None
    """Folder with a `logo.svg` or `logo.png` for the pages, and a `theme.css` that follows their style sheet."""


class RetentionSettings(Section):
    """Retention"""

    audit_retention_days: Annotated[int, Field(ge=30, le=36_500)] = 365
    """Days that events are kept in the audit log (`audit_events`)."""


class AvatarSettings(Section):
    """Avatar storage"""

    aws_bucket: str | None = None
    """S3 bucket for avatars, under the prefix `avatars/`. Do not share the prefix with another installation: objects
    that no account references are deleted. Unset: avatars are stored in the instance folder.
    """

    aws_key_id: str | None = None
    """S3 access key ID. Unset: the credentials of the environment, such as an IAM role or AWS's own variables."""

    aws_secret_key: SecretStr | None = None
    """S3 secret access key."""

    aws_region: str | None = None
    """S3 region, such as `eu-central-1`. Unset: `us-east-1`."""

    aws_endpoint_url: Endpoint | None = None
    """Endpoint of an S3-compatible service, such as `https://s3.example.com`. Unset: Amazon S3."""


SECTIONS: tuple[type[Section], ...] = (
    ProcessSettings,
    AddressSettings,
    SecretSettings,
    DatabaseSettings,
    MailSettings,
    MailContentSettings,
    TokenSettings,
    ProtectionSettings,
    SecondFactorSettings,
    PasskeySettings,
    PageSettings,
    RetentionSettings,
    AvatarSettings,
)
