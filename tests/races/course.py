"""Where races over two server processes are run, and who runs them."""

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
from tests.inside import rows, within
from tests.journeys.processes import Place, Running
from tests.journeys.visitors import Answer, Visitor
from tests.people import HERE, PASSWORD
from tests.races.bursts import BUSY, Ask, Connections, post
from tests.servers import SmtpSink, SqlServer, free_port
from tests.tables import settle

from flaskauth import create_app
from flaskauth.accounts import service as accounts
from flaskauth.codes import service as codes
from flaskauth.foundation import crypto, hashing, jobs
from flaskauth.foundation.db import db, hang_up
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.models import Session
from flaskauth.sessions.service import Tokens
from flaskauth.settings import Settings

T = TypeVar("T")

NUMBERS = count(1)


@dataclass
class Racer:
    """Somebody with an account and a session."""

    user_id: int
    email: str
    tokens: Tokens

    @property
    def session_id(self) -> int:
        return self.tokens.session_id

    def posts(self, path: str, body: Any = None) -> Ask:
        return post(path, body, self.tokens.token)

    def refreshes(self) -> Ask:
        return post("/auth/refresh", {"refresh_token": self.tokens.refresh_token})

    def signs_in(self, password: str = PASSWORD) -> Ask:
        return post("/auth/login", {"email": self.email, "password": password})


class Course:
    """Two server processes on a database of their own; a third process, this one, does the same by hand."""

    def __init__(self, database: SqlServer, sink: SmtpSink, folder: Path) -> None:
        name = f"races_{secrets.token_hex(4)}"
        database.create(name)
        self._drop = partial(database.drop, name)
        self.sink, self.port = sink, free_port()
        self.place = Place(folder, self._settings(database.url(name), folder))
        self.place.run("flaskauth", "db", "upgrade")
        self.connections = Connections(self.port)

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
            "REQUEST_LIMITS": "1000",  # what is raced for are the budgets
        }

    @contextmanager
    def running(self) -> Iterator["Course"]:
        words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "2")
        visitor = Visitor(self.port)
        try:
            with self.place.start(*words) as self.server:
                self.server.wait_until(visitor.is_ready)
                yield self
        finally:
            visitor.close()
            self.connections.close()
            self._let_go()
            self._drop()

    server: Running

    @cached_property
    def app(self) -> Flask:
        """The same server, in this process."""
        return create_app(Settings.load(self.place.settings))

    @cached_property
    def _hashed(self) -> str:
        with self.app.app_context():
            return hashing.hash_password(PASSWORD)

    def racer(self) -> Racer:
        """Somebody new who is signed in, made by hand: no hash, no mail."""
        email = f"racer-{next(NUMBERS)}@example.com"

        def join() -> tuple[int, Tokens]:
            about = {"email": email, "address": email, "password": self._hashed, "locale": "en"}
            user = accounts.create(first_name="Grace", last_name="Hopper", **about)
            return user.id, sessions.start(user.id, devices.remember(user.id, None, None)[0])

        user_id, tokens = self.here(join)
        return Racer(user_id, email, tokens)

    def here(self, work: Callable[[], T]) -> T:
        """Do something by hand, as a request does it."""
        given = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": HERE}
        with self.app.test_request_context(environ_base=given):
            return within(self.app, work)

    def burst(self, asks: Sequence[Ask], *works: Callable[[], object]) -> list[Answer]:
        """The answers; works are done by this process at the same moment. Nothing may be an accident."""
        with ThreadPoolExecutor(max(1, len(works))) as pool:
            done = [pool.submit(self.beside, work) for work in works]
            answers = self.connections.burst(asks)
            for each in done:
                each.result()
        accidents = [answer.raw for answer in answers if answer.status == 500]
        assert not accidents, accidents
        return answers

    def beside(self, work: Callable[[], object]) -> None:
        """Do something in this process."""
        with self.app.app_context():
            work()

    def ask(self, ask: Ask) -> Answer:
        return self.connections.ask(ask)

    def surely(self, ask: Ask) -> Any:
        """The answer's body, however often a busy server has to be asked."""
        for _ in range(20):
            answer = self.ask(ask)
            if answer.status != BUSY:
                break
        return answer.expect()

    def code(self, door: str) -> str:
        """The code that stands behind a door."""
        return within(self.app, lambda: codes.shown(crypto.decode(door)))

    def rows(self, statement: Any) -> Sequence[Any]:
        return rows(self.app, statement)

    def live(self, user_id: int) -> int:
        """How many sessions of somebody are open."""
        open_ones = select(func.count()).select_from(Session).where(Session.ended_at.is_(None))
        return int(self.rows(open_ones.where(Session.user_id == user_id))[0])

    def opened_by(self, racer: Racer, answers: Iterable[Answer]) -> list[str]:
        """Which of somebody's tokens, of before and of these answers, still open anything."""
        told = [answer.body for answer in answers if answer.status == 200]
        access = {racer.tokens.token, *(body["token"] for body in told if "token" in body)}
        refresh = {racer.tokens.refresh_token, *(body["refresh_token"] for body in told if "refresh_token" in body)}
        asks = [Ask("GET", "/users/profile", token=token) for token in access]
        asks += [post("/auth/refresh", {"refresh_token": token}) for token in refresh]
        return [ask.path for ask, answer in zip(asks, self.burst(asks), strict=True) if answer.status != 401]

    def settle(self) -> None:
        settle(self.app)

    def _let_go(self) -> None:
        self.app.extensions[jobs.KEY].stop()
        with self.app.app_context():
            db.session.close()
            hang_up()
