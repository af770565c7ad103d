"""What a test may look at beside the answers: the trail of events, the rows, how many passwords were hashed."""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import Executable, event, select
from werkzeug.test import TestResponse

from flaskauth.audit.models import AuditEvent
from flaskauth.foundation import hashing
from flaskauth.foundation.db import db, transaction

T = TypeVar("T")


def hashes(app: Flask) -> int:
    """How many passwords this process has hashed."""
    pool = app.extensions[hashing.KEY]
    assert isinstance(pool, hashing.Pool)
    return pool.performed


def events(app: Flask, name: str) -> Sequence[AuditEvent]:
    """The events of this name, oldest first."""
    return rows(app, select(AuditEvent).filter_by(name=name).order_by(AuditEvent.id))


def recorded(app: Flask, name: str) -> AuditEvent:
    """The one event of this name. The house rules demand a call of this for every name that there is."""
    [found] = events(app, name)
    return found


def rows(app: Flask, statement: Any) -> Sequence[Any]:
    with app.app_context():
        return db.session.scalars(statement).all()


def change(app: Flask, statement: Executable) -> None:
    """Change the database behind the server's back."""
    within(app, lambda: db.session.execute(statement))


def within(app: Flask, work: Callable[[], T]) -> T:
    """Do something as the server would, in a transaction of its own."""
    with app.app_context():
        return transaction(work)


@contextmanager
def hearing(app: Flask, **listeners: Callable[..., object]) -> Iterator[None]:
    """Have these called at SQLAlchemy's events, whichever of the application's engines they come from."""
    with app.app_context():
        heard = [(engine, name, listener) for engine in db.engines.values() for name, listener in listeners.items()]
    for each in heard:
        event.listen(*each)
    try:
        yield
    finally:
        for each in heard:
            event.remove(*each)


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """The statements that reach the database meanwhile."""
    told: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        told.append(statement)

    with hearing(app, before_cursor_execute=note):
        yield told


@contextmanager
def work(app: Flask) -> Iterator[Counter[str]]:
    """How many statements of each kind this thread, which asks, has the database do: "SELECT users"."""
    done: Counter[str] = Counter()
    me = threading.get_ident()

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if threading.get_ident() == me:
            done[_kind(statement)] += 1

    with hearing(app, before_cursor_execute=note):
        yield done


def _kind(statement: str) -> str:
    verb = statement.split(None, 1)[0]
    found = re.search(r"\b(?:FROM|INTO|UPDATE)\s+(\w+)", statement)
    return f"{verb} {found.group(1)}" if found else statement


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Do all of them at the same moment, each in a thread."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T:
        start.wait()
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def shape(answer: TestResponse) -> tuple[int, str, list[tuple[str, str]]]:
    """Everything that somebody outside can see of an answer, but the seconds that tick away meanwhile.

    Give each request the same X-Request-ID.
    """
    headers = [(name, value) for name, value in answer.headers.items() if name != "Retry-After"]
    return answer.status_code, re.sub(r'(?<="retry_after":)\d\d\b', "..", answer.text), sorted(headers)


def held_for(answer: TestResponse, seconds: int) -> bool:
    """Whether it is refused for so long; a slow machine may have used up some of it."""
    told = answer.get_json()["retry_after"]
    return refused(answer) == (429, "too_many_requests") and seconds - 5 < int(told) <= seconds


def refused(answer: TestResponse) -> tuple[int, str]:
    """The status and code of a refusal, once it has the shape that all have."""
    body = answer.get_json()
    assert (body["status"], body["success"]) == ("Error", False), answer.text
    assert body["request_id"] == answer.headers["X-Request-ID"]
    if answer.status_code == 401:
        assert body["code"] in answer.headers["WWW-Authenticate"]
    if answer.status_code in {429, 503}:
        assert answer.headers["Retry-After"] == str(body["retry_after"])
    return answer.status_code, body["code"]
