"""A production installation: MariaDB or MySQL, Redis, a mail server, server processes and a Celery worker."""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis as Client
from sqlalchemy import create_engine
from tests.inside import together
from tests.journeys import leaks
from tests.journeys.processes import Place, Running
from tests.journeys.visitors import Visitor
from tests.people import code_of
from tests.servers import Received, Redis, SmtpSink, SqlServer, free_port

from flaskauth.app import bare
from flaskauth.foundation.db import hang_up
from flaskauth.keys.ring import ring
from flaskauth.settings import Settings, with_driver

LOGIN = ("mailer", "Zk4-a-password-for-mail-9Qx")


class Installation:
    """What the documentation says to install, on ports of its own."""

    def __init__(self, database: SqlServer, redis: Redis, sink: SmtpSink, folder: Path) -> None:
        name = f"journeys_{secrets.token_hex(4)}"
        database.create(name)
        self._drop = partial(database.drop, name)
        self.redis = redis
        self.sink = sink
        self.port = free_port()
        self.secret = secrets.token_urlsafe(48)
        self.engine = create_engine(with_driver(database.url(name)))
        authority = folder / "authority.pem"
        authority.write_text(sink.certificate.authority)
        self.place = Place(folder, self._settings(database.url(name), authority))
        self.server: Running
        self.worker: Running
        self._started: list[Running] = []

    def _settings(self, database: str, authority: Path) -> Mapping[str, str]:
        return {
            "SQLALCHEMY_DATABASE_URI": database,
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": self.secret,
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "TRUSTED_PROXIES": "127.0.0.1",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(self.sink.port),
            "MAIL_USE_TLS": "true",
            "MAIL_CA_FILE": str(authority),
            "MAIL_USERNAME": LOGIN[0],
            "MAIL_PASSWORD": LOGIN[1],
            "DRAIN_DELAY": "0",
        }

    def start_server(self) -> Running:
        words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2")
        self.server = self._start(words, "server.log")
        with closing(Visitor(self.port)) as visitor:
            return self.server.wait_until(visitor.is_ready)

    def start_worker(self) -> Running:
        words = ("celery", "-A", "flaskauth.celery", "worker", "--loglevel=INFO", "--beat")
        self.worker = self._start(words, "worker.log")
        return self.worker.wait_for("ready.")

    def _start(self, words: tuple[str, ...], log: str, place: Place | None = None) -> Running:
        self._started.append((place or self.place).start(*words, log=log))
        return self._started[-1]

    def mail_to(self, email: str, seconds: float = 8, subject: str = "") -> Received:
        """The first mail to this address (about something)."""
        return self.sink.wait_for(lambda mail: email in mail.recipients and subject in mail.message["Subject"], seconds)

    def code_for(self, email: str, subject: str = "") -> str:
        """The code of the mail to this address, as its text part shows it."""
        body = self.mail_to(email, subject=subject).message.get_body(("plain",))
        assert body
        return code_of({"text": body.get_content().replace("\r\n", "\n")})

    def link_for(self, email: str, subject: str) -> tuple[str, str]:
        """The path and the token of the link in the mail to this address."""
        body = self.mail_to(email, subject=subject).message.get_body(("plain",))
        assert body
        found = re.search(r"^http://[^/\s]+(/auth/\w+)#([\w-]{43})\s*$", body.get_content(), re.MULTILINE)
        assert found, body.get_content()
        return found.group(1), found.group(2)

    def execute(self, statement: str) -> int:
        """Change the database behind the server's back; how many rows it concerned."""
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement).rowcount

    def everything(self) -> leaks.Dump:
        """The database, Redis and every file of the folder."""
        with Client.from_url(self.redis.url) as client:
            return dict([*leaks.tables(self.engine), *leaks.keys(client), *leaks.files(self.place.folder)])

    def own_secrets(self) -> set[leaks.Secret]:
        """What is the installation's own: its secret, its password for the mail server, its signing keys."""
        return {self.secret, LOGIN[1], *self._signing_keys()}

    def _signing_keys(self) -> Iterator[leaks.Secret]:
        app = bare(Settings.load(self.place.settings))
        with app.app_context():
            ring().load()
            keys = [key.private for key in ring().known()]
            hang_up()
        for key in keys:
            yield key.private_numbers().private_value.to_bytes(32, "big")
            yield key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            yield from key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).splitlines()[1:-1]

    def close(self) -> None:
        for running in self._started:
            running.close()
        self.engine.dispose()
        self._drop()


@contextmanager
def installed(database: SqlServer, folder: Path) -> Iterator[Installation]:
    """As the documentation says: migrate, then start the server and the worker."""
    with ExitStack() as running:
        redis = running.enter_context(Redis())
        sink = running.enter_context(SmtpSink(tls="starttls", login=LOGIN))
        found = Installation(database, redis, sink, folder)
        running.callback(found.close)
        found.place.run("flaskauth", "db", "upgrade")
        together([found.start_worker, found.start_server])
        yield found
