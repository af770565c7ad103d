"""Fixtures of all tests: an application on each database, its client, its mailbox, and a clock that can be moved."""

import gc
import os
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, create_engine
from tests.servers import MYSQL_URL_VARIABLE, MariaDB, MySQL, PrivateSqlServer, Redis, SqlServer, mysql_server
from tests.servers.process import data_root
from tests.support import server_logs, shortcuts, user_template
from tests.support.users import Mailbox, UserFactory

from flaskauth import create_app, migrations
from flaskauth.core import clock
from flaskauth.core.db.session import db, dispose_engines
from flaskauth.core.db.types import Base
from flaskauth.core.jobs import background
from flaskauth.core.passwords import hashing
from flaskauth.settings import Settings, with_driver

TESTS = Path(__file__).parent
SECRET = "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"
DATABASES_VARIABLE = "TEST_DATABASES"
SERVERS: dict[str, type[PrivateSqlServer]] = {"mariadb": MariaDB, "mysql": MySQL}
DRIVERS = {"mysql+pymysql": "pymysql", "mysql+mysqldb": "mysqlclient"}
PRESERVED_TABLES = {"countries", "regions", "alembic_version"}

# The tests below these paths run on SQLite and on MariaDB, because what they check depends on the database: SQL that
# differs between dialects, row counts that decide, locks, transactions. All other tests run on SQLite only.
DATABASE_DEPENDENT = (
    *("core/test_transactions", "core/test_db", "core/test_retention", "core/test_query_indexes", "core/test_galera"),
    *("core/test_database_unavailable", "migrations", "concurrency", "rate_limits", "countries"),
    *("account_deletion/test_account_erasure", "audit/test_audit_sealing", "doctor/test_doctor_database"),
    *("doctor/test_doctor_healthy", "email_change", "login/test_login_concurrency", "mail/test_mail_outbox"),
    *("mail/test_mail_leases", "profile/test_account_export", "registration/test_registration_idempotent"),
    *("registration/test_verification_limits", "registration/test_registration_existing_email"),
    *("registration/test_email_addresses", "registration/test_registration_fields", "profile/test_activity"),
    *(
        "sessions/test_refresh_token_rotation",
        "sessions/test_refresh_late",
        "sessions/test_logout",
        "signing_keys/test_signing_key_rotation",
    ),
    *("user_admin/test_user_import", "user_admin/test_user_export", "login/test_login_lockout"),
)
# The tests below these paths begin with a database without a signing key.
WITHOUT_KEY = ("audit", "signing_keys", "user_admin", "settings", "docs", "e2e", "examples")
# The slowest files, which start first so that no worker is left with one of them at the end.
SLOWEST = (
    *("migrations/test_migration_crash_recovery", "migrations", "registration/test_email_enumeration", "docs", "e2e"),
    *("chaos", "deploy", "examples", "concurrency", "fuzz", "mail"),
)

MakeApp = Callable[..., Flask]

# `make test` tries the same examples each time, so that a run fails only because of a change. The suite `fuzz` of
# `make test-slow` tries more examples, and others each time. The duration of an example depends on the machine.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz",
    settings.get_profile("default"),
    derandomize=False,
    max_examples=int(os.environ.get("EXAMPLES", "1500")),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def databases() -> list[str]:
    """Return the databases that the tests run on; TEST_DATABASES="mysql mariadb" selects others."""
    return os.environ.get(DATABASES_VARIABLE, "sqlite mariadb").split()


def sql_servers() -> list[str]:
    """Return those databases that are servers."""
    return [name for name in databases() if name != "sqlite"]


def private_sql_servers() -> list[str]:
    """Return those servers that the tests start themselves, so that a test can stop them and set their options."""
    return [name for name in sql_servers() if name != "mysql" or MYSQL_URL_VARIABLE not in os.environ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses a database on one database, or on each if what it checks depends on the database."""
    arguments = [marker.args[0] for marker in metafunc.definition.iter_markers("parametrize")]
    is_chosen = any("database" in (names.split(",") if isinstance(names, str) else names) for names in arguments)
    if "database" in metafunc.fixturenames and not is_chosen:
        is_dependent = DATABASES_VARIABLE in os.environ or _is_below(DATABASE_DEPENDENT, metafunc.definition.path)
        names = databases() if is_dependent else databases()[:1]
        metafunc.parametrize("database", names, indirect=True)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Show the driver beside the database: mysql-mysqlclient."""
    return f"{val}-{DRIVERS[with_driver('mysql://').drivername]}" if val in list(SERVERS) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the slowest files first. With TEST_DATABASES, deselect the tests that use none of these databases."""
    ranks = {path: rank for rank, path in enumerate(SLOWEST)}
    items.sort(key=lambda item: next((rank for path, rank in ranks.items() if _is_below((path,), item.path)), 99))
    if DATABASES_VARIABLE not in os.environ:
        return
    deselected = {item for item in items if not _runs_on(databases(), item)}
    config.hook.pytest_deselected(items=[*deselected])
    items[:] = [item for item in items if item not in deselected]


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking through all modules and tests again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _is_below(paths: tuple[str, ...], file: Path) -> bool:
    return _path_in_tests(file).startswith(paths)


@cache
def _path_in_tests(file: Path) -> str:
    return file.relative_to(TESTS).as_posix() if file.is_relative_to(TESTS) else ""


def _runs_on(names: list[str], item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and any(value in names for value in item.callspec.params.values())
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of server processes to the report of a failed test."""
    report = yield
    if report.failed:
        report.sections.extend(server_logs.sections())
    elif report.passed:
        report.sections.clear()  # pytest-xdist would send the log of each test to the main process
    return report


@pytest.fixture(autouse=True)
def start_server_logs() -> None:
    server_logs.start_test()


@pytest.fixture(scope="session", autouse=True)
def cheap_argon2() -> Iterator[None]:
    with shortcuts.use_hasher(shortcuts.CHEAP):
        yield


@pytest.fixture
def real_argon2() -> Iterator[None]:
    with shortcuts.use_hasher(shortcuts.REAL):
        yield


@pytest.fixture(scope="session", autouse=True)
def fast_applications() -> Iterator[None]:
    with (
        shortcuts.start_jobs_immediately(),
        shortcuts.share_compiled_rules(),
        shortcuts.share_engines(),
        shortcuts.share_tls_contexts(),
    ):
        yield


@pytest.fixture
def own_engines() -> Iterator[None]:
    with shortcuts.unshare_engines():
        yield


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with MariaDB("--max-connections=500") as server:  # several applications, each with a pool of 32 and 12 more
        yield server


@pytest.fixture(scope="session")
def mysql() -> Iterator[SqlServer]:
    with mysql_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "migrated.db"
    migrations.upgrade(with_driver(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def sqlite_template_with_key(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the first signing key, because each application would take 10 ms to create it."""
    folder = tmp_path_factory.mktemp("template_with_key")
    path = Path(shutil.copy(sqlite_template, folder / "migrated.db"))
    app = _create_app(f"sqlite:///{path}", folder, {})
    app.extensions[background.KEY].stop()
    with app.app_context():
        for table in Base.metadata.sorted_tables:
            if table.name not in {*PRESERVED_TABLES, "schema_locks", "signing_keys"}:
                db.session.execute(table.delete())
        db.session.commit()
    _stop(app)
    return path


@pytest.fixture(scope="session")
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    yield from _create_migrated(mariadb)


@pytest.fixture(scope="session")
def mysql_url(mysql: SqlServer) -> Iterator[str]:
    yield from _create_migrated(mysql)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated database without users; see `pytest_generate_tests`."""
    if request.param == "sqlite":
        with TemporaryDirectory(prefix="sqlite-", dir=data_root()) as folder:
            template = "sqlite_template" if _is_below(WITHOUT_KEY, request.path) else "sqlite_template_with_key"
            shutil.copy(request.getfixturevalue(template), f"{folder}/test.db")
            yield f"sqlite:///{folder}/test.db"
    else:
        url: str = request.getfixturevalue(f"{request.param}_url")
        yield url
        _delete_all_rows(url)


@pytest.fixture
def make_app(database: str, tmp_path: Path) -> Iterator[MakeApp]:
    """A function that creates applications on the test's database; keyword arguments are settings."""
    apps: list[Flask] = []

    def make(**overrides: str) -> Flask:
        apps.append(_create_app(database, tmp_path, overrides))
        return apps[-1]

    yield make
    for app in apps:
        _stop(app)


@pytest.fixture(scope="session")
def read_only_app(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One application for the tests that write nothing to the database, for example those that render a mail."""
    folder = tmp_path_factory.mktemp("read_only")
    path = shutil.copy(sqlite_template, folder / "migrated.db")  # the application adds a signing key
    app = _create_app(f"sqlite:///{path}", folder, {})
    yield app
    _stop(app)


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def mailbox(app: Flask) -> Mailbox:
    return Mailbox(app)


@pytest.fixture
def users(app: Flask) -> UserFactory:
    return UserFactory(app)


@pytest.fixture
def stopped_clock() -> Iterator[None]:
    """Stop the clock, for a test that compares times of two requests or with the current time."""
    with shortcuts.stop_clock():
        yield


@pytest.fixture(autouse=True)
def reset_clock() -> Iterator[None]:
    """Return to the real time after each test."""
    yield
    clock.travel(-clock._offset)


def _create_app(database: str, folder: Path, overrides: Mapping[str, str]) -> Flask:
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": database,
        "EMAIL_SIGN_IN": "true",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_POOL_SIZE": "32",  # a burst of 30 requests waits for no connection, on a slow machine either
        **overrides,
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    app.extensions[hashing.KEY].max_wait = 60  # a slow machine rejects no sign-in
    # A first purge in the background would compete with a test that moves the clock and purges.
    worker = app.extensions[background.KEY]
    worker.jobs = [job for job in worker.jobs if not is_purge(job)]
    if not overrides:
        user_template.mark_default_settings(app)
    return app


def is_purge(job: background.PeriodicJob) -> bool:
    return "purge" in job.name


def _stop(app: Flask) -> None:
    app.extensions[background.KEY].stop()
    with app.app_context():
        db.session.close()
        if db.engine.dialect.name == "sqlite":  # the engines of a server are shared by the tests of a worker
            dispose_engines()


def _create_migrated(server: SqlServer) -> Iterator[str]:
    name = f"test_{secrets.token_hex(4)}"
    server.create(name)
    migrations.upgrade(with_driver(server.url(name)))
    yield server.url(name)
    server.drop(name)


def _delete_all_rows(url: str) -> None:
    with _engine(url).begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            if table.name not in PRESERVED_TABLES:
                connection.execute(table.delete())


@cache
def _engine(url: str) -> Engine:
    return create_engine(with_driver(url), pool_size=1, pool_pre_ping=True)
