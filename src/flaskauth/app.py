"""`create_app`: assemble the application from all packages."""

import fcntl
from collections.abc import Callable
from datetime import timedelta
from inspect import iscoroutinefunction

import click
from flask.cli import ScriptInfo, run_command
from sqlalchemy.exc import SQLAlchemyError

from flaskauth import flask_commands, health, metrics, migrations, openapi
from flaskauth.account_deletion import erasure
from flaskauth.account_deletion import routes as account_deletion_routes
from flaskauth.accounts import service as accounts
from flaskauth.audit import sealing
from flaskauth.audit import service as audit
from flaskauth.avatars import routes as avatar_routes
from flaskauth.avatars import service as avatars
from flaskauth.core import context, shutdown
from flaskauth.core.crypto import DecryptionError
from flaskauth.core.db import engine
from flaskauth.core.db.error_messages import WRONG_SCHEMA, describe
from flaskauth.core.db.session import AUTOCOMMIT, db, transaction
from flaskauth.core.errors import APIError
from flaskauth.core.http import app as http_app
from flaskauth.core.http import cors, request_limits
from flaskauth.core.http.app import AuthFlask
from flaskauth.core.jobs import background
from flaskauth.core.jobs.background import PeriodicJob
from flaskauth.core.observability import log
from flaskauth.core.observability.log import get_logger
from flaskauth.core.passwords import hashing
from flaskauth.core.passwords.hashing import HashingPool
from flaskauth.countries import routes as country_routes
from flaskauth.email_change import routes as email_change_routes
from flaskauth.extras import missing_extra
from flaskauth.factor_reset import routes as factor_reset_routes
from flaskauth.factor_reset import service as factor_resets
from flaskauth.login import email_code_routes
from flaskauth.login import passkey_routes as passkey_login_routes
from flaskauth.login import routes as login_routes
from flaskauth.mail import delivery
from flaskauth.mail import routes as mail_routes
from flaskauth.mail import service as mail
from flaskauth.mfa import challenges, factors, totp
from flaskauth.mfa import routes as factor_routes
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.passkeys import routes as passkey_routes
from flaskauth.passwords import routes as password_routes
from flaskauth.profile import routes as profile_routes
from flaskauth.rate_limits import service as rate_limits
from flaskauth.registration import pending
from flaskauth.registration import routes as registration_routes
from flaskauth.security_alerts import routes as security_alert_routes
from flaskauth.sessions import devices
from flaskauth.sessions import routes as session_routes
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import current_user
from flaskauth.settings import Settings, require_installation
from flaskauth.signing_keys import routes as signing_key_routes
from flaskauth.signing_keys import service as signing_keys
from flaskauth.web import routes as page_routes

BLUEPRINTS = (
    registration_routes.bp,
    login_routes.bp,
    passkey_login_routes.bp,
    passkey_routes.bp,
    passkey_routes.well_known_bp,
    email_code_routes.bp,
    session_routes.bp,
    password_routes.bp,
    factor_reset_routes.bp,
    password_routes.removal_bp,
    profile_routes.bp,
    factor_routes.bp,
    email_change_routes.bp,
    security_alert_routes.bp,
    account_deletion_routes.bp,
    avatar_routes.bp,
    country_routes.bp,
    signing_key_routes.bp,
    health.bp,
    metrics.bp,
    mail_routes.bp,
)
PURGE_FUNCTIONS: tuple[Callable[[], int], ...] = (
    pending.purge,
    codes.purge,
    links.purge,
    accounts.purge,
    mail.purge,
    sessions.purge,
    devices.purge,
    challenges.purge,
    factors.purge,
    rate_limits.purge,
    audit.purge,
    erasure.purge,
)
UNDECRYPTABLE_KEYS = (
    "A stored signing key cannot be decrypted: it was encrypted with a different SECRET_KEY."
    " Add the old secret to SECRET_KEY_FALLBACKS. If it is lost, run `flaskauth keys reset`, which creates a new key"
    " and signs out all users."
)

FACTORS_EXIST = (
    "SECOND_FACTOR is off, but users have second factors, which their next sign-in would ignore."
    " Set it to optional, or remove the factors of the users in `flaskauth factors list` first:"
    " `flaskauth users reset-factors`."
)

logger = get_logger(__name__)


def create_app(settings: Settings | None = None) -> AuthFlask:
    """Create the authentication server; by default load its settings from the environment and `.env`.

    In development without a database URL, create or upgrade the SQLite database. Create the first signing key.

    Raises:
        SettingsError: one or more settings are invalid.
        InstallationNotFound: a command of Flask other than `run` found no installation.
        ClickException: a stored signing key cannot be decrypted with SECRET_KEY or a fallback, or SECOND_FACTOR is off
            and users have second factors.
    """
    settings = settings or _load_settings()
    log.init_app(settings)
    app = create_base_app(settings)
    for bp in BLUEPRINTS:
        app.register_blueprint(bp)
    app.register_blueprint(page_routes.link_bp)
    if settings.pages:
        app.register_blueprint(page_routes.bp)
    openapi.init_app(app, settings)
    metrics.init_app(app, settings)
    background.init_app(app, () if settings.redis_url else periodic_jobs())
    cors.init_app(app, settings)
    app.jinja_env.globals["current_user"] = current_user
    flask_commands.init_app(app)
    for warning in settings.warnings():
        logger.warning("configuration_warning", detail=warning)
    initialize(app, settings)
    return app


def _load_settings() -> Settings:
    """Load the settings. Only `flask run` may create an installation, not `flask auth` in a wrong folder."""
    command = click.get_current_context(silent=True)
    if command and command.find_object(ScriptInfo) and command.command is not run_command:
        require_installation(Settings.read())
    return Settings.load()


def _is_server_command() -> bool:
    """Return True during `flaskauth serve` and `flask run`."""
    command = click.get_current_context(silent=True)
    return command is not None and command.info_name in {"serve", "run"}


def periodic_jobs() -> tuple[PeriodicJob, ...]:
    """Return the periodic jobs. Threads of the server run them, or Celery beat if Redis is configured."""
    return (
        PeriodicJob("mail.sweep", timedelta(seconds=2), delivery.deliver_due, is_shared=True),
        PeriodicJob("keys.maintain", timedelta(minutes=10), signing_keys.ensure_keys),
        PeriodicJob("audit.seal", timedelta(minutes=1), sealing.seal),
        PeriodicJob("factor_resets.perform", timedelta(minutes=10), factor_resets.perform_due),
        PeriodicJob("factor_resets.remind", timedelta(days=1), factor_resets.remind),
        PeriodicJob("purge", timedelta(hours=1), purge),
        PeriodicJob("mfa.reencrypt", timedelta(hours=1), totp.reencrypt),
        *(() if missing_extra("avatars") else (PeriodicJob("avatars.purge", timedelta(days=1), avatars.purge),)),
    )


def purge() -> None:
    """Delete expired rows in batches, one transaction each. The `purge` of each package defines its retention."""
    for purge_batch in PURGE_FUNCTIONS:
        while transaction(purge_batch):
            pass


def initialize(app: AuthFlask, settings: Settings) -> None:
    """Migrate the default SQLite database and ensure that a signing key exists. Log a warning if either fails.

    The server starts even if the database is unavailable. It then returns 503, and a background job retries.
    """
    with app.app_context():
        try:
            if settings.sqlalchemy_database_uri is None:
                _migrate_default_database(settings)
            signing_keys.ensure_keys()
            with db.engine.connect() as connection:
                if settings.second_factor == "off" and factors.count_users(connection):
                    raise click.ClickException(FACTORS_EXIST)
                if not migrations.is_current(connection):
                    logger.warning("database_not_ready", reason=WRONG_SCHEMA)
        except DecryptionError:
            raise click.ClickException(UNDECRYPTABLE_KEYS) from None
        except (SQLAlchemyError, APIError) as error:
            logger.warning("database_not_ready", reason=describe(error), hint="run flaskauth doctor")
        finally:
            db.session.rollback()


def create_base_app(settings: Settings) -> AuthFlask:
    """Create the application without routes. Commands use it directly."""
    app = AuthFlask("flaskauth", spec_path=None, docs_path=None, json_errors=False, static_folder=None)  # type: ignore[arg-type]
    app.config.update(
        SECRET_KEY=settings.secrets[0],
        TESTING=settings.flask_testing,
        SQLALCHEMY_ENGINES={"default": engine.options(settings), AUTOCOMMIT: engine.autocommit_options(settings)},
    )
    app.extensions[context.KEY] = settings
    app.extensions[hashing.KEY] = HashingPool(settings.web_concurrency, settings.database_pool_size)
    db.init_app(app)
    with app.app_context():
        for database_engine in db.engines.values():
            engine.add_listeners(database_engine)
    # This callback of Flask-SQLAlchemy-Lite closes asynchronous sessions, which are not used here. It would start an
    # event loop after each request.
    app.teardown_appcontext_funcs[:] = [
        callback for callback in app.teardown_appcontext_funcs if not iscoroutinefunction(callback)
    ]
    shutdown.init_app(app)
    http_app.init_app(app, settings)
    request_limits.init_app(app, settings)
    return app


def _migrate_default_database(settings: Settings) -> None:
    """Upgrade the SQLite database in the instance folder. A file lock lets concurrent processes wait for the first.

    Log a warning if a script or another WSGI server creates it: it may run in a wrong folder.
    """
    folder = settings.flaskauth_instance_path
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".migrating").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        file = settings.database_file
        if file and not file.exists() and not _is_server_command():
            detail = f"SQLALCHEMY_DATABASE_URI: not set, so the new SQLite database {file} is used"
            logger.warning("configuration_warning", detail=detail)
        with db.engine.connect() as connection:
            is_current = migrations.is_current(connection)
        if not is_current:
            migrations.upgrade(settings.database_url)
