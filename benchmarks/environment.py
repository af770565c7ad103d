"""The measured server: `flaskauth serve --workers 2` on its own MariaDB with durable commits, and its users."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import insert
from tests.e2e.http_client import CLIENT_IPS, HttpClient
from tests.e2e.processes import Workspace
from tests.servers import MariaDB, SmtpSink, free_port

from flaskauth.accounts.models import User
from flaskauth.app import create_base_app
from flaskauth.core import clock
from flaskauth.core.db.session import db, dispose_engines, transaction
from flaskauth.core.http.app import AuthFlask
from flaskauth.core.ids import RANDOM_BITS, new_id
from flaskauth.core.passwords import hashing
from flaskauth.settings import Settings

PASSWORD = "seven green kettles"
BENCH_DIR = Path(__file__).parents[1] / ".bench"

T = TypeVar("T")


@dataclass(frozen=True)
class RunningServer:
    """A running server: its port, an application on the same database, and the id of its first process."""

    port: int
    app: AuthFlask
    pid: int = 0

    def in_transaction(self, work: Callable[[], T]) -> T:
        """Run a function in its own transaction on the server's database."""
        with self.app.app_context():
            return transaction(work)

    def add_users(self, emails: Sequence[str]) -> None:
        """Insert users that share one password hash, which costs as much to verify as any other."""
        with self.app.app_context():
            password_hash = hashing.hash_password(PASSWORD)
            first_id = new_id()  # ids made within one millisecond could collide, so the others are derived from it
            rows = [
                user_row(first_id + index * 2**RANDOM_BITS, email, password_hash) for index, email in enumerate(emails)
            ]
            transaction(lambda: db.session.execute(insert(User), rows))

    def login(self, email: str) -> dict[str, Any]:
        """Log in from an unused network and return the response body."""
        with closing(HttpClient(self.port, next(CLIENT_IPS))) as http_client:
            body: dict[str, Any] = http_client.post("/auth/login", {"email": email, "password": PASSWORD}).expect()
            return body


def durable_database(*options: str) -> MariaDB:
    """Return a MariaDB server that flushes each commit to the disk. The other databases of the tests are in memory."""
    BENCH_DIR.mkdir(exist_ok=True)
    return MariaDB("--innodb-flush-log-at-trx-commit=1", *options, folder=str(BENCH_DIR))


@contextmanager
def running_server() -> Iterator[RunningServer]:
    """Run the server on its own database. Without Redis, it delivers mail itself."""
    with durable_database() as database, SmtpSink() as sink:
        database.create("measured")
        extra = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(sink.port), "EMAIL_SIGN_IN": "true"}
        with serve(database.url("measured"), extra) as server:
            yield server


@contextmanager
def serve(database: str, extra_settings: Mapping[str, str]) -> Iterator[RunningServer]:
    """Run the server on this database, and yield once it is ready."""
    port = free_port()
    with TemporaryDirectory() as folder:
        workspace = prepare_installation(Path(folder), database, port, extra_settings)
        app = create_base_app(Settings.load(workspace.settings, Path(folder, "no.env")))
        with workspace.start(*serve_command(port)) as process, closing(HttpClient(port)) as http_client:
            process.wait_until(http_client.is_ready)
            yield RunningServer(port, app, process.pid)
        with app.app_context():
            dispose_engines()


def prepare_installation(folder: Path, database: str, port: int, extra_settings: Mapping[str, str]) -> Workspace:
    """Create the schema of this database and return a workspace for the server's commands."""
    workspace = create_workspace(folder, database, port, extra_settings)
    workspace.run("flaskauth", "db", "upgrade")
    return workspace


def create_workspace(
    folder: Path, database: str, port: int, extra_settings: Mapping[str, str] | None = None
) -> Workspace:
    """Return a workspace that runs the installed commands.

    The fork server of the tests hashes with cheap parameters, and has imported the libraries before.
    """
    return Workspace(folder, {**_settings(database, port), **(extra_settings or {})}, is_forked=False)


def serve_command(port: int) -> tuple[str, ...]:
    """Return the command that starts the server."""
    return ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "2")


def _settings(database: str, port: int) -> dict[str, str]:
    return {
        "SQLALCHEMY_DATABASE_URI": database,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TRUSTED_PROXIES": "127.0.0.1",
        "RATE_LIMIT_FACTOR": "100000",
    }


def user_row(user_id: int, email: str, password_hash: str) -> dict[str, Any]:
    fields = {"first_name": "Grace", "last_name": "Hopper", "locale": "en", "is_verified": True}
    return {
        **fields,
        "id": user_id,
        "email": email,
        "normalized_email": email,
        "password_hash": password_hash,
        "created_at": clock.now(),
    }
