"""GET /metrics: what the server measures, in Prometheus' text format, for who brings METRICS_TOKEN.

In development it is where the mailbox is.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import structlog
from apiflask.schemas import FileSchema
from flask import Flask, Response, current_app
from sqlalchemy import Connection, Engine, QueuePool, func, select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.foundation import clock, hashing, measures
from flaskauth.foundation.complaints import in_words
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import NotFound
from flaskauth.foundation.http import Blueprint, public, refuses
from flaskauth.foundation.jobs import PULSE, ScheduledRun
from flaskauth.health import is_operator
from flaskauth.keys.models import SigningKey
from flaskauth.mail.models import DEAD, QUEUED, OutboxMail
from flaskauth.settings import Settings

TEXT = "text/plain; version=0.0.4; charset=utf-8"
UP = "database_up", "Whether the database answered when these values were read"

Value = tuple[str, str, float]

log = structlog.get_logger(__name__)
bp = Blueprint("metrics", __name__, tag="Operations")


def init_app(app: Flask, settings: Settings) -> None:
    """Measure, where somebody may see it."""
    if not settings.is_measured:
        return
    pool = app.extensions[hashing.KEY]
    with app.app_context():
        engines = list(db.engines.values())
    gauges: measures.Gauges = {
        "processes": ("Server processes that run", lambda: 1),
        "hash_queue": ("Passwords that are hashed or wait for it", lambda: pool.unfinished),
        "database_connections": ("Connections to the database in use", lambda: sum(map(_in_use, engines))),
        "database_connections_most": ("How many there can be", lambda: sum(map(_most, engines))),
    }
    measures.init_app(app, gauges)


@bp.get("/metrics")
@public
@refuses(NotFound)
@bp.output(FileSchema(type="string"), content_type="text/plain")
def metrics() -> Response:
    """What the server measures, for Prometheus: for who brings METRICS_TOKEN; in development where the mailbox is."""
    kept = measures.of(current_app)
    if kept is None or not is_operator():
        raise NotFound
    return Response(kept.told(_database()), content_type=TEXT)


def _database() -> list[Value]:
    """What stands in the database: the same from every node."""
    try:
        with db.engine.connect() as connection:
            return [*_outbox(connection), *_keys(connection), *_schedule(connection), (*UP, 1)]
    except SQLAlchemyError as error:
        log.warning("metrics_without_database", reason=in_words(error))
        return [(*UP, 0)]


def _outbox(connection: Connection) -> Iterator[Value]:
    counted = select(OutboxMail.state, func.count(), func.min(OutboxMail.next_try_at))
    rows = connection.execute(counted.where(OutboxMail.state.in_((QUEUED, DEAD))).group_by(OutboxMail.state))
    found: dict[str, Any] = {state: (number, oldest) for state, number, oldest in rows}
    queued, oldest = found.get(QUEUED, (0, None))
    yield "outbox_queued", "Mails that wait to be sent", queued
    yield "outbox_dead", "Mails of the last 30 days that could not be delivered", found.get(DEAD, (0, None))[0]
    yield "outbox_late_seconds", "How long ago the longest waiting mail was due", _ago(oldest)


def _keys(connection: Connection) -> Iterator[Value]:
    newest = connection.scalar(select(func.max(SigningKey.signs_from)).where(SigningKey.signs_from <= clock.now()))
    if newest:
        yield "signing_key_age_seconds", "For how long the signing key has been in use", _ago(newest)


def _schedule(connection: Connection) -> Iterator[Value]:
    due = connection.scalar(select(ScheduledRun.next_run_at).where(ScheduledRun.name == PULSE))
    if due:
        yield "schedule_late_seconds", "How long ago somebody should have looked at the schedule", _ago(due)


def _ago(moment: datetime | None) -> float:
    return max(timedelta(), clock.now() - moment).total_seconds() if moment else 0.0


def _in_use(engine: Engine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def _most(engine: Engine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.size() + max(0, engine.pool._max_overflow)  # noqa: SLF001 (SQLAlchemy tells it nowhere)
