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
from tests.e2e import leaks
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import ReceivedMail, Redis, SmtpSink, SqlServer, free_port
from tests.support.inspect import run_concurrently
from tests.support.users import code_in_mail

from flaskauth.app import create_base_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.settings import Settings, with_driver
from flaskauth.signing_keys.keyring import keyring

SMTP_LOGIN = ("mailer", "Zk4-a-password-for-mail-9Qx")


class Installation:
    """The documented production setup, on free ports."""

    def __init__(self, database: SqlServer, redis: Redis, sink: SmtpSink, folder: Path) -> None:
        name = f"e2e_{secrets.token_hex(4)}"
        database.create(name)
        self._drop = partial(database.drop, name)
        self.redis = redis
        self.sink = sink
        self.port = free_port()
        self.secret = secrets.token_urlsafe(48)
        self.engine = create_engine(with_driver(database.url(name)))
        authority = folder / "authority.pem"
        authority.write_text(sink.certificate.ca_pem)
        self.workspace = Workspace(folder, self._settings(database.url(name), authority))
        self.server: RunningProcess
        self.worker: RunningProcess
        self._started: list[RunningProcess] = []

    def _settings(self, database: str, authority: Path) -> Mapping[str, str]:
        return {
            "SQLALCHEMY_DATABASE_URI": database,
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": self.secret,
            "APP_NAME": "flaskauth",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "TRUSTED_PROXIES": "127.0.0.1",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(self.sink.port),
            "MAIL_USE_TLS": "true",
            "MAIL_CA_FILE": str(authority),
            "MAIL_USERNAME": SMTP_LOGIN[0],
            "MAIL_PASSWORD": SMTP_LOGIN[1],
            "DRAIN_DELAY": "0",
        }

    def start_server(self) -> RunningProcess:
        command = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2")
        self.server = self._start(command, "server.log")
        with closing(HttpClient(self.port)) as http_client:
            return self.server.wait_until(http_client.is_ready)

    def start_worker(self) -> RunningProcess:
        command = ("celery", "-A", "flaskauth.celery", "worker", "--loglevel=INFO", "--beat")
        self.worker = self._start(command, "worker.log")
        return self.worker.wait_for_output("worker_started")

    def _start(self, command: tuple[str, ...], log: str, workspace: Workspace | None = None) -> RunningProcess:
        self._started.append((workspace or self.workspace).start(*command, log=log))
        return self._started[-1]

    def wait_for_mail(self, email: str, seconds: float = 8, subject: str = "") -> ReceivedMail:
        """Wait for the first mail to this email address (whose subject contains a text)."""
        return self.sink.wait_for(lambda mail: email in mail.recipients and subject in mail.message["Subject"], seconds)

    def wait_for_code(self, email: str, subject: str = "") -> str:
        """Wait for a mail and return the code in its text part."""
        body = self.wait_for_mail(email, subject=subject).message.get_body(("plain",))
        assert body
        return code_in_mail({"text": body.get_content().replace("\r\n", "\n")})

    def wait_for_link(self, email: str, subject: str) -> tuple[str, str]:
        """Wait for a mail and return the path and the token of its link."""
        body = self.wait_for_mail(email, subject=subject).message.get_body(("plain",))
        assert body
        match = re.search(r"^http://[^/\s]+(/auth/[\w/-]+)#([\w-]{43})\s*$", body.get_content(), re.MULTILINE)
        assert match, body.get_content()
        return match.group(1), match.group(2)

    def execute_sql(self, statement: str) -> int:
        """Execute a statement directly in the database, commit, and return the number of rows."""
        with self.engine.begin() as connection:
            return connection.exec_driver_sql(statement).rowcount

    def dump_all(self) -> leaks.Dump:
        """Return the contents of the database, of Redis and of every file of the folder."""
        with Client.from_url(self.redis.url) as client:
            return dict(
                [*leaks.dump_tables(self.engine), *leaks.dump_redis(client), *leaks.dump_files(self.workspace.folder)]
            )

    def server_secrets(self) -> set[leaks.Secret]:
        """Return SECRET_KEY, the password of the mail server and the private signing keys."""
        return {self.secret, SMTP_LOGIN[1], *self._signing_keys()}

    def _signing_keys(self) -> Iterator[leaks.Secret]:
        app = create_base_app(Settings.load(self.workspace.settings))
        with app.app_context():
            keyring().load()
            keys = [key.private_key for key in keyring().all_keys()]
            dispose_engines()
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
def run_installation(database: SqlServer, folder: Path) -> Iterator[Installation]:
    """Follow the documentation: migrate, then start the server and the worker."""
    with ExitStack() as running:
        redis = running.enter_context(Redis())
        sink = running.enter_context(SmtpSink(tls="starttls", login=SMTP_LOGIN))
        installation = Installation(database, redis, sink, folder)
        running.callback(installation.close)
        installation.workspace.run("flaskauth", "db", "upgrade")
        run_concurrently([installation.start_worker, installation.start_server])
        yield installation
