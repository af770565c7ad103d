"""What is measured: `flaskauth serve --workers 2` on a MariaDB of its own that asks the disk, with people in it."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import insert
from tests.journeys.processes import Place
from tests.journeys.visitors import NETWORKS, Visitor
from tests.servers import MariaDB, SmtpSink, free_port

from flaskauth.accounts.models import User
from flaskauth.app import bare
from flaskauth.foundation import clock, hashing
from flaskauth.foundation.db import db, hang_up, transaction
from flaskauth.foundation.ids import RANDOM_BITS, new_id
from flaskauth.foundation.server import Server
from flaskauth.settings import Settings

PASSWORD = "seven green kettles"
DURABLE = "--innodb-flush-log-at-trx-commit=1"

T = TypeVar("T")


@dataclass(frozen=True)
class Grounds:
    """A running server: where it listens, a way to its database, and its first process."""

    port: int
    app: Server
    pid: int = 0

    def within(self, work: Callable[[], T]) -> T:
        """Do something as the server would, in a transaction of its own."""
        with self.app.app_context():
            return transaction(work)

    def add_people(self, emails: Sequence[str]) -> None:
        """Accounts with one password; its hash is made once, and compared as dearly as any."""
        with self.app.app_context():
            hashed = hashing.hash_password(PASSWORD)
            first = new_id()  # so many in one millisecond would not differ
            rows = [_person(first + turn * 2**RANDOM_BITS, email, hashed) for turn, email in enumerate(emails)]
            transaction(lambda: db.session.execute(insert(User), rows))

    def sign_in(self, email: str) -> dict[str, Any]:
        """What somebody gets who signs in, from a network of their own."""
        with closing(Visitor(self.port, next(NETWORKS))) as visitor:
            told: dict[str, Any] = visitor.post("/auth/login", {"email": email, "password": PASSWORD}).expect()
            return told


@contextmanager
def grounds() -> Iterator[Grounds]:
    """The server on a database of its own, once it answers; without Redis, it mails by itself."""
    with MariaDB(DURABLE) as database, SmtpSink() as sink:
        database.create("measured")
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(sink.port)}
        with serving(database.url("measured"), mail) as where:
            yield where


@contextmanager
def serving(database: str, more: Mapping[str, str]) -> Iterator[Grounds]:
    """The server on this database, once it answers."""
    port = free_port()
    with TemporaryDirectory() as folder:
        place = prepared(Path(folder), database, port, more)
        app = bare(Settings.load(place.settings, Path(folder, "no.env")))
        with place.start(*command(port)) as running, closing(Visitor(port)) as visitor:
            running.wait_until(visitor.is_ready)
            yield Grounds(port, app, running.pid)
        with app.app_context():
            hang_up()


def prepared(folder: Path, database: str, port: int, more: Mapping[str, str]) -> Place:
    """Where the server's commands run, once this database has its schema."""
    place = Place(folder, {**_settings(database, port), **more})
    place.run("flaskauth", "db", "upgrade")
    return place


def command(port: int) -> tuple[str, ...]:
    """How the server is started."""
    return ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "2")


def _settings(database: str, port: int) -> dict[str, str]:
    return {
        "SQLALCHEMY_DATABASE_URI": database,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TRUSTED_PROXIES": "127.0.0.1",
        "REQUEST_LIMITS": "100000",
    }


def _person(user_id: int, email: str, hashed: str) -> dict[str, Any]:
    about = {"first_name": "Grace", "last_name": "Hopper", "locale": "en", "is_verified": True}
    return {**about, "id": user_id, "email": email, "address": email, "password": hashed, "created_at": clock.now()}
