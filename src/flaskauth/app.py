"""create_app: the one module that knows every room."""

import fcntl
from collections.abc import Callable
from datetime import timedelta
from inspect import iscoroutinefunction

import click
import structlog
from sqlalchemy.exc import SQLAlchemyError

from flaskauth import health, metrics, migrations, reference
from flaskauth.accounts import service as accounts
from flaskauth.audit import sealing
from flaskauth.audit import service as audit
from flaskauth.avatars import routes as avatar_routes
from flaskauth.avatars import service as avatars
from flaskauth.closing import erasure
from flaskauth.closing import routes as closing_routes
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.email_change import routes as email_change_routes
from flaskauth.foundation import cross_origin, current, ending, engine, hashing, jobs, limits, log, server
from flaskauth.foundation.complaints import ANOTHER_SCHEMA, in_words
from flaskauth.foundation.crypto import CannotOpen
from flaskauth.foundation.db import ALONE, db, transaction
from flaskauth.foundation.errors import Problem
from flaskauth.foundation.hashing import Pool
from flaskauth.foundation.jobs import Job
from flaskauth.foundation.server import Server
from flaskauth.foundation.shortcuts import Shortcuts
from flaskauth.keys import routes as key_routes
from flaskauth.keys import service as keys
from flaskauth.login import routes as login_routes
from flaskauth.mail import delivery
from flaskauth.mail import routes as mail_routes
from flaskauth.mail import service as mail
from flaskauth.passwords import routes as password_routes
from flaskauth.places import routes as place_routes
from flaskauth.profile import routes as profile_routes
from flaskauth.recovery import routes as recovery_routes
from flaskauth.registration import attempts
from flaskauth.registration import routes as registration_routes
from flaskauth.sessions import devices
from flaskauth.sessions import routes as session_routes
from flaskauth.sessions import service as sessions
from flaskauth.settings import Settings
from flaskauth.throttles import service as throttles

BLUEPRINTS = (
    registration_routes.bp,
    login_routes.bp,
    session_routes.bp,
    password_routes.bp,
    profile_routes.bp,
    email_change_routes.bp,
    recovery_routes.bp,
    closing_routes.bp,
    avatar_routes.bp,
    place_routes.bp,
    key_routes.bp,
    health.bp,
    metrics.bp,
    mail_routes.bp,
)
SHORTCUTS = {
    ("GET", "/users/profile"): profile_routes.profile_at_once,
    ("POST", "/auth/refresh"): session_routes.refresh_at_once,
}
PURGES: tuple[Callable[[], int], ...] = (
    attempts.purge,
    codes.purge,
    links.purge,
    accounts.purge,
    mail.purge,
    sessions.purge,
    devices.purge,
    throttles.purge,
    audit.purge,
    erasure.purge,
)
LOCKED_KEYS = (
    "A stored signing key was sealed with another SECRET_KEY. Put the old secret into SECRET_KEY_FALLBACKS;"
    " if it is lost, `flaskauth keys reset` makes a new key and signs everybody out."
)

events = structlog.get_logger(__name__)


def create_app(settings: Settings | None = None) -> Server:
    """The authentication server, ready to serve; its settings come from the environment and `.env` unless given.

    Raises:
        SettingsError: the settings cannot be used; it says all that is wrong.
        ClickException: a stored signing key was sealed with another SECRET_KEY.
    """
    log.configure()
    settings = settings or Settings.load()
    app = bare(settings)
    for bp in BLUEPRINTS:
        app.register_blueprint(bp)
    reference.init_app(app, settings)
    metrics.init_app(app, settings)
    jobs.init_app(app, () if settings.redis_url else schedule())
    cross_origin.init_app(app, settings)
    for warning in settings.warnings():
        events.warning("setting", what=warning)
    app.wsgi_app = Shortcuts(app, SHORTCUTS)  # type: ignore[method-assign]
    prepare(app, settings)
    return app


def schedule() -> tuple[Job, ...]:
    """What is done again and again, by the server's threads or by Celery beat."""
    return (
        Job("mail.sweep", timedelta(seconds=2), delivery.sweep, shared=True),
        Job("keys.maintain", timedelta(minutes=10), keys.maintain),
        Job("audit.seal", timedelta(minutes=1), sealing.seal),
        Job("purge", timedelta(hours=1), purge),
        Job("avatars.purge", timedelta(days=1), avatars.purge),
    )


def purge() -> None:
    """Delete what is past its retention, in small steps; each room says in `purge` what it keeps how long."""
    for delete_some in PURGES:
        while transaction(delete_some):
            pass


def prepare(app: Server, settings: Settings) -> None:
    """Bring the embedded database up to date, and see to it that there is a signing key.

    A database that is away now is no reason not to start: every answer until then is 503, and the thread tries again.
    """
    with app.app_context():
        try:
            if settings.sqlalchemy_database_uri is None:
                _migrate_embedded(settings)
            keys.maintain()
            _compare_schema()
        except CannotOpen:
            raise click.ClickException(LOCKED_KEYS) from None
        except (SQLAlchemyError, Problem) as error:
            events.warning("database_not_ready", reason=in_words(error), more="flaskauth doctor")
        finally:
            db.session.rollback()


def _compare_schema() -> None:
    with db.engine.connect() as connection:
        if not migrations.is_current(connection):
            events.warning("database_not_ready", reason=ANOTHER_SCHEMA)


def bare(settings: Settings) -> Server:
    """The application without its routes, for commands."""
    app = Server("flaskauth", spec_path=None, docs_path=None, json_errors=False, static_folder=None)  # type: ignore[arg-type]
    app.config.update(
        SECRET_KEY=settings.secrets[0],
        TESTING=settings.flask_testing,
        PROPAGATE_EXCEPTIONS=False,
        SQLALCHEMY_ENGINES={"default": engine.options(settings), ALONE: engine.options_alone(settings)},
    )
    app.extensions[current.KEY] = settings
    app.extensions[hashing.KEY] = Pool(settings.web_concurrency, settings.database_pool_size)
    db.init_app(app)
    with app.app_context():
        for each in db.engines.values():
            engine.watch(each)
    # It would start an event loop at the end of every request, for asynchronous sessions that nobody opens.
    app.teardown_appcontext_funcs[:] = [f for f in app.teardown_appcontext_funcs if not iscoroutinefunction(f)]
    ending.init_app(app)
    server.init_app(app, settings)
    limits.init_app(app, settings)
    return app


def _migrate_embedded(settings: Settings) -> None:
    """The database of the instance folder is ours: whoever starts first brings it up to date, the others wait."""
    folder = settings.flaskauth_instance_path
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".migrating").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with db.engine.connect() as connection:
            is_current = migrations.is_current(connection)
        if not is_current:
            migrations.upgrade(settings.database_url)
