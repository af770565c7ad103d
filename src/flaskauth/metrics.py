"""GET /metrics in the Prometheus text format, with METRICS_TOKEN as bearer token.

In development no token is needed, under the same conditions as for the mailbox.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from apiflask.schemas import FileSchema
from flask import Flask, Response, current_app
from sqlalchemy import Connection, Engine, QueuePool, func, select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.core import clock
from flaskauth.core.db.error_messages import describe
from flaskauth.core.db.session import db
from flaskauth.core.errors import NotFound
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.jobs.background import HEARTBEAT, ScheduledRun
from flaskauth.core.observability import metrics as core_metrics
from flaskauth.core.observability.log import get_logger
from flaskauth.core.passwords import hashing
from flaskauth.health import is_operator
from flaskauth.mail.models import FAILED, QUEUED, OutboxMail
from flaskauth.settings import Settings
from flaskauth.signing_keys.models import SigningKey

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DATABASE_UP = "database_up", "1 if the database responded to this request, else 0"

Sample = tuple[str, str, float]

log = get_logger(__name__)
bp = Blueprint("metrics", __name__, tag="Operations")


def init_app(app: Flask, settings: Settings) -> None:
    """Record metrics if any client may read them."""
    if not settings.is_metrics_enabled:
        return
    pool = app.extensions[hashing.KEY]
    with app.app_context():
        engines = list(db.engines.values())
    gauges: core_metrics.Gauges = {
        "processes": ("Running server processes", lambda: 1),
        "hash_queue": ("Password hashes running or queued", lambda: pool.pending),
        "database_connections": (
            "Database connections in use",
            lambda: sum(map(_checked_out_connections, engines)),
        ),
        "database_connections_max": (
            "Maximum number of database connections",
            lambda: sum(map(_max_connections, engines)),
        ),
    }
    core_metrics.init_app(app, gauges)


@bp.get("/metrics")
@public
@raises(NotFound)
@bp.output(FileSchema(type="string"), content_type="text/plain")
def get_metrics() -> Response:
    """Get metrics in the Prometheus text format.

    Requires METRICS_TOKEN as bearer token, except in development.
    """
    app_metrics = core_metrics.get_metrics(current_app)
    if app_metrics is None or not is_operator():
        raise NotFound
    return Response(app_metrics.render(_database_samples()), content_type=CONTENT_TYPE)


def _database_samples() -> list[Sample]:
    """Return the metrics that are read from the database. They are the same on each node."""
    try:
        with db.engine.connect() as connection:
            return [
                *_outbox_samples(connection),
                *_signing_key_samples(connection),
                *_schedule_samples(connection),
                (*DATABASE_UP, 1),
            ]
    except SQLAlchemyError as error:
        log.warning("metrics_without_database", reason=describe(error))
        return [(*DATABASE_UP, 0)]


def _outbox_samples(connection: Connection) -> Iterator[Sample]:
    query = select(OutboxMail.state, func.count(), func.min(OutboxMail.next_attempt_at))
    rows = connection.execute(query.where(OutboxMail.state.in_((QUEUED, FAILED))).group_by(OutboxMail.state))
    by_state: dict[str, tuple[int, datetime | None]] = {state: (count, oldest) for state, count, oldest in rows}
    queued, oldest = by_state.get(QUEUED, (0, None))
    failed, _ = by_state.get(FAILED, (0, None))
    yield "outbox_queued", "Mails waiting to be sent", queued
    yield "outbox_failed", "Mails of the last 30 days that failed permanently", failed
    yield "outbox_late_seconds", "Seconds since the oldest queued mail was due", _seconds_since(oldest)


def _signing_key_samples(connection: Connection) -> Iterator[Sample]:
    newest = connection.scalar(select(func.max(SigningKey.active_from)).where(SigningKey.active_from <= clock.now()))
    if newest:
        yield "signing_key_age_seconds", "Seconds since the current signing key became active", _seconds_since(newest)


def _schedule_samples(connection: Connection) -> Iterator[Sample]:
    due = connection.scalar(select(ScheduledRun.next_run_at).where(ScheduledRun.name == HEARTBEAT))
    if due:
        yield (
            "schedule_late_seconds",
            "Seconds since the schedule of periodic jobs should have been checked",
            _seconds_since(due),
        )


def _seconds_since(value: datetime | None) -> float:
    return max(timedelta(), clock.now() - value).total_seconds() if value else 0.0


def _checked_out_connections(engine: Engine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def _max_connections(engine: Engine) -> int:
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.size() + max(0, engine.pool._max_overflow)  # noqa: SLF001 (no public attribute)
