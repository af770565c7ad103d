"""Two server processes on one database, and users for them."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import func, select
from tests.concurrency.parallel_requests import OVERLOADED, ConnectionPool, PreparedRequest, prepare_post
from tests.e2e.http_client import HttpClient, HttpResponse
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import SmtpSink, SqlServer, free_port
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import in_transaction, query_all
from tests.support.users import CLIENT_IP, PASSWORD

from flaskauth import create_app
from flaskauth.accounts import service as accounts
from flaskauth.core import crypto
from flaskauth.core.db.session import db, dispose_engines
from flaskauth.core.jobs import background
from flaskauth.core.passwords import hashing
from flaskauth.one_time_codes import service as codes
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.models import Session
from flaskauth.sessions.service import TokenPair
from flaskauth.settings import Settings

T = TypeVar("T")

USER_NUMBERS = count(1)


@dataclass
class SignedInUser:
    """A user with an account and a session."""

    user_id: int
    email: str
    tokens: TokenPair

    @property
    def session_id(self) -> int:
        return self.tokens.session_id

    def prepare_post(self, path: str, body: Any = None) -> PreparedRequest:
        return prepare_post(path, body, self.tokens.token)

    def prepare_refresh(self) -> PreparedRequest:
        return prepare_post("/auth/refresh", {"refresh_token": self.tokens.refresh_token})

    def prepare_login(self, password: str = PASSWORD) -> PreparedRequest:
        return prepare_post("/auth/login", {"email": self.email, "password": password})


@dataclass(frozen=True)
class SqliteFiles:
    """A folder of SQLite databases, with the methods of a database server."""

    folder: Path

    def url(self, database: str) -> str:
        return f"sqlite:///{self.folder}/{database}.db"

    def create(self, database: str) -> None:
        """Do nothing: the first connection creates the file."""

    def drop(self, database: str) -> None:
        (self.folder / f"{database}.db").unlink()


class ServerPair:
    """Two server processes on their own database. This process can run the same application."""

    def __init__(self, database: SqlServer | SqliteFiles, sink: SmtpSink, folder: Path) -> None:
        name = f"parallel_{secrets.token_hex(4)}"
        database.create(name)
        self._drop_database = partial(database.drop, name)
        self.sink, self.port = sink, free_port()
        self.workspace = Workspace(folder, self._settings(database.url(name), folder))
        self.workspace.run("flaskauth", "db", "upgrade")
        self.connections = ConnectionPool(self.port)

    def _settings(self, database: str, folder: Path) -> dict[str, str]:
        return {
            "FLASKAUTH_ENV": "development",
            "FLASKAUTH_INSTANCE_PATH": str(folder / "instance"),
            "SQLALCHEMY_DATABASE_URI": database,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "TRUSTED_PROXIES": "127.0.0.1",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(self.sink.port),
            "DATABASE_POOL_SIZE": "32",
            "RATE_LIMIT_FACTOR": "1000",  # the limits of attempts and mails apply instead
        }

    @contextmanager
    def run(self) -> Iterator["ServerPair"]:
        command = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2")
        http_client = HttpClient(self.port)
        try:
            with self.workspace.start(*command) as self.server:
                self.server.wait_until(http_client.is_ready)
                yield self
        finally:
            http_client.close()
            self.connections.close()
            self._release()
            self._drop_database()

    server: RunningProcess

    @cached_property
    def app(self) -> Flask:
        """The same application in this process."""
        return create_app(Settings.load(self.workspace.settings))

    @cached_property
    def _password_hash(self) -> str:
        with self.app.app_context():
            return hashing.hash_password(PASSWORD)

    def create_user(self) -> SignedInUser:
        """Create a signed-in user directly in the database, without a hash and a mail."""
        email = f"user-{next(USER_NUMBERS)}@example.com"

        def create() -> tuple[int, TokenPair]:
            fields = {"email": email, "normalized_email": email, "password_hash": self._password_hash, "locale": "en"}
            user = accounts.create(first_name="Grace", last_name="Hopper", **fields)
            return user.id, sessions.start(user.id, devices.upsert(user.id, None, None)[0])

        user_id, tokens = self.run_as_request(create)
        return SignedInUser(user_id, email, tokens)

    def run_as_request(self, function: Callable[[], T]) -> T:
        """Run a function in a request context and a transaction."""
        environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": CLIENT_IP}
        with self.app.test_request_context(environ_base=environ):
            return in_transaction(self.app, function)

    def send_parallel(
        self, requests: Sequence[PreparedRequest], *functions: Callable[[], object]
    ) -> list[HttpResponse]:
        """Send requests and run functions of this process concurrently. Return the responses; none may be a 500."""
        with ThreadPoolExecutor(max(1, len(functions))) as pool:
            futures = [pool.submit(self.run_in_process, function) for function in functions]
            responses = self.connections.send_parallel(requests)
            for future in futures:
                future.result()
        server_errors = [response.raw for response in responses if response.status == 500]
        assert not server_errors, server_errors
        return responses

    def run_in_process(self, function: Callable[[], object]) -> None:
        """Run a function in an application context of this process."""
        with self.app.app_context():
            function()

    def send(self, request: PreparedRequest) -> HttpResponse:
        return self.connections.send(request)

    def send_until_served(self, request: PreparedRequest) -> Any:
        """Repeat the request until it is not rejected with 503, and return the body of the response."""
        for _ in range(20):
            response = self.send(request)
            if response.status != OVERLOADED:
                break
        return response.expect()

    def current_code(self, code_id: str) -> str:
        """Return the mailed code of a verification_id or reset_id."""
        return in_transaction(self.app, lambda: codes.past_code(crypto.base64url_decode(code_id)))

    def rows(self, statement: Any) -> Sequence[Any]:
        return query_all(self.app, statement)

    def count_active_sessions(self, user_id: int) -> int:
        """Return the number of active sessions of a user."""
        active = select(func.count()).select_from(Session).where(Session.revoked_at.is_(None))
        return int(self.rows(active.where(Session.user_id == user_id))[0])

    def still_accepted(self, user: SignedInUser, responses: Iterable[HttpResponse]) -> list[str]:
        """Return the paths that still accept a token of the user, including the tokens in these responses."""
        bodies = [response.body for response in responses if response.status == 200]
        access = {user.tokens.token, *(body["token"] for body in bodies if "token" in body)}
        refresh = {user.tokens.refresh_token, *(body["refresh_token"] for body in bodies if "refresh_token" in body)}
        requests = [PreparedRequest("GET", "/users/profile", token=token) for token in access]
        requests += [prepare_post("/auth/refresh", {"refresh_token": token}) for token in refresh]
        return [
            request.path
            for request, response in zip(requests, self.send_parallel(requests), strict=True)
            if response.status != 401
        ]

    def settle(self) -> None:
        wait_for_outbox(self.app)

    def _release(self) -> None:
        self.app.extensions[background.KEY].stop()
        with self.app.app_context():
            db.session.close()
            dispose_engines()
