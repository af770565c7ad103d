"""GET /health/live and /health/ready: whether this process runs, and whether requests should be sent to it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import structlog
from flask import current_app, request
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, func, select, text

from flaskauth.foundation import clock, crypto, ending
from flaskauth.foundation.complaints import in_words
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import Unavailable
from flaskauth.foundation.http import Blueprint, is_direct_from_here, public, refuses
from flaskauth.foundation.schemas import Reply, Schema, fields, sentence
from flaskauth.mail.models import QUEUED, OutboxMail
from flaskauth.migrations import is_current, is_newer

LOOKS = "flaskauth.health"
PATIENCE = 2.5  # seconds for all checks together
REDIS_TIMEOUT = 0.5
CLOCKS_APART = timedelta(seconds=30)
MAIL_LATE = timedelta(seconds=60)

OF_DATABASE = ("database", "schema", "clock", "outbox")
NEEDED = ("database", "schema", "clock", "draining")
HELPFUL = ("broker", "outbox")

T = TypeVar("T")

log = structlog.get_logger(__name__)
# Beside the request, because a host that swallows packets holds a connection longer than those who ask will wait.
_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")

bp = Blueprint("health", __name__, tag="Operations")


@dataclass(frozen=True)
class Check:
    """What one look found, in words that hold no secret."""

    ok: bool
    detail: str


class NotReady(Unavailable):
    """503 {"ready": false}: send requests elsewhere for a while."""

    code = "unavailable"
    message = "This server is not ready. Please try another, or again."
    example: ClassVar[dict[str, Any]] = {"retry_after": 5, "ready": False, "degraded": []}


class AliveReply(Reply):
    message = sentence("Alive")


class CheckSchema(Schema):
    ok = fields.Boolean(required=True)
    detail = fields.String(required=True, metadata={"example": "answers"})


class ReadyReply(Reply):
    message = sentence("Ready")
    ready = fields.Boolean(required=True, metadata={"example": True})
    degraded = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What is missing and can be done without: broker, outbox", "example": []},
    )
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(CheckSchema),
        metadata={"description": "By name; for who brings METRICS_TOKEN"},
    )


@bp.get("/health/live")
@public
@bp.output(AliveReply)
def live() -> dict[str, object]:
    """This process answers; nothing else is looked at."""
    return {}


@bp.get("/health/ready")
@public
@bp.output(ReadyReply)
@refuses(NotReady)
def ready() -> dict[str, object]:
    """Requests can be sent here: database, schema, clock and this process are fit."""
    checks = _look()
    told: dict[str, Any] = {"degraded": [name for name in HELPFUL if not checks[name].ok]}
    if is_operator():
        told["checks"] = {name: asdict(check) for name, check in checks.items()}
    if missing := [name for name in NEEDED if not checks[name].ok]:
        log.warning("not_ready", missing=missing)
        raise NotReady(retry_after=5, ready=False, **told)
    return {"ready": True, **told}


def is_operator() -> bool:
    """Whether the details may be seen: with the token for metrics, or where the mailbox may be."""
    token, given = settings().metrics_token, request.authorization
    if token and given and given.type == "bearer" and given.token:
        return crypto.same(given.token.encode(), token.get_secret_value().encode())
    return settings().has_mailbox and is_direct_from_here()


def _look() -> dict[str, Check]:
    """Every check by its name."""
    database = _under_way("database", _ask_database, db.engine)
    broker = _under_way("broker", _ask_broker, settings().redis_url)
    wait((database, broker), timeout=PATIENCE)
    draining = ending.has_begun(current_app)
    return {
        **_result(database, OF_DATABASE),
        **_result(broker, ("broker",)),
        "draining": Check(not draining, "this server is ending" if draining else "no"),
    }


def _under_way(name: str, look: Callable[[T], dict[str, Check]], at: T) -> Future[dict[str, Check]]:
    """One look at a time, which all who ask meanwhile share: a flood of questions must not make the server unready."""
    looks: dict[str, Future[dict[str, Check]]] = current_app.extensions.setdefault(LOOKS, {})
    if name not in looks or looks[name].done():
        looks[name] = _threads.submit(look, at)
    return looks[name]


def _result(asked: Future[dict[str, Check]], names: Sequence[str]) -> dict[str, Check]:
    late = dict.fromkeys(names, Check(ok=False, detail="no answer in time"))
    return asked.result() if asked.done() else late


def _ask_database(engine: Engine) -> dict[str, Check]:
    try:
        with engine.connect() as connection:
            connection.execute(select(1))
            schema, hands, outbox = (_tried(check, connection) for check in (_schema, _clocks, _outbox))
    except Exception as error:  # noqa: BLE001 (whatever it was, the answer is that it is away)
        return dict.fromkeys(OF_DATABASE, Check(ok=False, detail=_failure(error)))
    return {"database": Check(ok=True, detail="answers"), "schema": schema, "clock": hands, "outbox": outbox}


def _tried(check: Callable[[Connection], Check], connection: Connection) -> Check:
    try:
        return check(connection)
    except Exception as error:  # noqa: BLE001 (a table that is not there yet must not hide the other checks)
        connection.rollback()
        return Check(ok=False, detail=_failure(error))


def _schema(connection: Connection) -> Check:
    if is_current(connection):
        return Check(ok=True, detail="at head")
    if is_newer(connection):
        return Check(ok=True, detail="newer than this version, which serves on meanwhile")
    return Check(ok=False, detail="another version; run: flaskauth db upgrade")


def _clocks(connection: Connection) -> Check:
    if connection.dialect.name == "sqlite":
        return Check(ok=True, detail="the same")
    apart = clocks_apart(connection)
    return Check(apart <= CLOCKS_APART, f"{apart.total_seconds():.1f} s apart")


def clocks_apart(connection: Connection) -> timedelta:
    """How far this machine's clock is from that of MySQL or MariaDB."""
    theirs: datetime = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
    return abs(clock.now() - theirs.replace(tzinfo=UTC))


def _outbox(connection: Connection) -> Check:
    late = mail_is_late_by(connection)
    return Check(late <= MAIL_LATE, f"{int(late.total_seconds())} s late")


def mail_is_late_by(connection: Connection) -> timedelta:
    """How long ago the longest waiting mail was due."""
    oldest: datetime | None = connection.scalar(
        select(func.min(OutboxMail.next_try_at)).where(OutboxMail.state == QUEUED)
    )
    return max(timedelta(), clock.now() - oldest) if oldest else timedelta()


def _ask_broker(url: SecretStr | None) -> dict[str, Check]:
    if url is None:
        return {"broker": Check(ok=True, detail="none is set")}
    from redis import Redis  # noqa: PLC0415 (many servers have none)

    try:
        options: dict[str, Any] = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
        with Redis.from_url(url.get_secret_value(), **options) as redis:
            redis.ping()
    except Exception as error:  # noqa: BLE001 (as above)
        return {"broker": Check(ok=False, detail=_failure(error))}
    return {"broker": Check(ok=True, detail="answers")}


def _failure(error: Exception) -> str:
    return f"failed: {in_words(error)}"  # its own text may hold addresses and statements
