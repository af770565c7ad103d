"""Health checks: GET /health/live (liveness) and GET /health/ready (readiness)."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, TypeVar

from flask import current_app, request
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, func, select, text

from flaskauth.core import clock, crypto, shutdown
from flaskauth.core.context import settings
from flaskauth.core.db.error_messages import describe
from flaskauth.core.db.session import db
from flaskauth.core.errors import Unavailable
from flaskauth.core.http.request import Blueprint, is_direct_local_request, public, raises
from flaskauth.core.http.schemas import ResponseSchema, Schema, fields, message_field
from flaskauth.core.observability.log import get_logger
from flaskauth.mail.models import QUEUED, OutboxMail
from flaskauth.migrations import is_current, is_newer

PENDING_CHECKS = "flaskauth.health"
CHECKS_TIMEOUT = 2.5  # seconds for all checks together
REDIS_TIMEOUT = 0.5  # seconds
MAX_CLOCK_DIFFERENCE = timedelta(seconds=30)
MAX_MAIL_DELAY = timedelta(seconds=60)

DATABASE_CHECKS = ("database", "schema", "clock", "outbox")
REQUIRED_CHECKS = ("database", "schema", "clock", "draining")
OPTIONAL_CHECKS = ("broker", "outbox")

T = TypeVar("T")

log = get_logger(__name__)
# Checks run in threads: a host that drops packets blocks a connection for longer than a health probe waits.
_executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="health")

bp = Blueprint("health", __name__, tag="Operations")


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `detail` contains no secret."""

    ok: bool
    detail: str


class NotReady(Unavailable):
    """503 `{"ready": false}`: the load balancer must not send requests to this server."""

    code = "unavailable"
    message = "This server is not ready. Please retry later or use another server."
    example: ClassVar[dict[str, object]] = {"retry_after": 5, "ready": False, "degraded": []}


class AliveResponse(ResponseSchema):
    message = message_field("Alive")


class CheckResultSchema(Schema):
    ok = fields.Boolean(required=True)
    detail = fields.String(required=True, metadata={"example": "reachable"})


class ReadyResponse(ResponseSchema):
    message = message_field("Ready")
    ready = fields.Boolean(required=True, metadata={"example": True})
    degraded = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Optional components that fail: broker, outbox", "example": []},
    )
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(CheckResultSchema),
        metadata={"description": "Results by check name; only with METRICS_TOKEN as bearer token"},
    )


@bp.get("/health/live")
@public
@bp.output(AliveResponse)
def get_liveness() -> dict[str, object]:
    """Check that this process responds.

    Nothing else is checked.
    """
    return {}


@bp.get("/health/ready")
@public
@bp.output(ReadyResponse)
@raises(NotReady)
def get_readiness() -> dict[str, object]:
    """Check that this server can serve requests.

    Checks the database, its schema and the clock, and that the server is not shutting down.
    """
    checks = _run_checks()
    details: dict[str, object] = {"degraded": [name for name in OPTIONAL_CHECKS if not checks[name].ok]}
    if is_operator():
        details["checks"] = {name: asdict(check) for name, check in checks.items()}
    if failed := [name for name in REQUIRED_CHECKS if not checks[name].ok]:
        log.warning("not_ready", failed=failed)
        raise NotReady(retry_after=5, ready=False, **details)
    return {"ready": True, **details}


def is_operator() -> bool:
    """Return True if the request carries METRICS_TOKEN, or fulfils the conditions of the development mailbox."""
    token, credentials = settings().metrics_token, request.authorization
    if token and credentials and credentials.type == "bearer" and credentials.token:
        return crypto.compare_digest(credentials.token.encode(), token.get_secret_value().encode())
    return settings().has_mailbox and is_direct_local_request()


def _run_checks() -> dict[str, CheckResult]:
    """Return the results of all checks by name."""
    database = _start_check("database", _check_database, db.engine)
    broker = _start_check("broker", _check_broker, settings().redis_url)
    wait((database, broker), timeout=CHECKS_TIMEOUT)
    draining = shutdown.is_draining(current_app)
    return {
        **_result_or_timeout(database, DATABASE_CHECKS),
        **_result_or_timeout(broker, ("broker",)),
        "draining": CheckResult(not draining, "shutting down" if draining else "no"),
    }


def _start_check(name: str, check: Callable[[T], dict[str, CheckResult]], target: T) -> Future[dict[str, CheckResult]]:
    """Start a check, or return the running one: concurrent requests share it, so that many of them do not fail it."""
    pending: dict[str, Future[dict[str, CheckResult]]] = current_app.extensions.setdefault(PENDING_CHECKS, {})
    if name not in pending or pending[name].done():
        pending[name] = _executor.submit(check, target)
    return pending[name]


def _result_or_timeout(future: Future[dict[str, CheckResult]], names: Sequence[str]) -> dict[str, CheckResult]:
    timed_out = dict.fromkeys(names, CheckResult(ok=False, detail="timeout"))
    return future.result() if future.done() else timed_out


def _check_database(engine: Engine) -> dict[str, CheckResult]:
    try:
        with engine.connect() as connection:
            connection.execute(select(1))
            schema, clock_check, outbox = (
                _try_check(check, connection) for check in (_check_schema, _check_clock, _check_outbox)
            )
    except Exception as error:  # noqa: BLE001 (any error means unavailable)
        return dict.fromkeys(DATABASE_CHECKS, CheckResult(ok=False, detail=_failure_detail(error)))
    return {
        "database": CheckResult(ok=True, detail="reachable"),
        "schema": schema,
        "clock": clock_check,
        "outbox": outbox,
    }


def _try_check(check: Callable[[Connection], CheckResult], connection: Connection) -> CheckResult:
    try:
        return check(connection)
    except Exception as error:  # noqa: BLE001 (a missing table must not fail the other checks)
        connection.rollback()
        return CheckResult(ok=False, detail=_failure_detail(error))


def _check_schema(connection: Connection) -> CheckResult:
    if is_current(connection):
        return CheckResult(ok=True, detail="at head")
    if is_newer(connection):
        return CheckResult(ok=True, detail="newer than this version, which remains compatible")
    return CheckResult(ok=False, detail="outdated; run: flaskauth db upgrade")


def _check_clock(connection: Connection) -> CheckResult:
    if connection.dialect.name == "sqlite":
        return CheckResult(ok=True, detail="same machine")
    difference = clock_difference(connection)
    return CheckResult(difference <= MAX_CLOCK_DIFFERENCE, f"{difference.total_seconds():.1f} s apart")


def clock_difference(connection: Connection) -> timedelta:
    """Return the difference between the clocks of this machine and of MySQL or MariaDB."""
    database_time: datetime = connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
    return abs(clock.now() - database_time.replace(tzinfo=UTC))


def _check_outbox(connection: Connection) -> CheckResult:
    delay = mail_delay(connection)
    return CheckResult(delay <= MAX_MAIL_DELAY, f"{int(delay.total_seconds())} s late")


def mail_delay(connection: Connection) -> timedelta:
    """Return the time since the oldest queued mail was due."""
    oldest: datetime | None = connection.scalar(
        select(func.min(OutboxMail.next_attempt_at)).where(OutboxMail.state == QUEUED)
    )
    return max(timedelta(), clock.now() - oldest) if oldest else timedelta()


def _check_broker(url: SecretStr | None) -> dict[str, CheckResult]:
    if url is None:
        return {"broker": CheckResult(ok=True, detail="not configured")}
    from redis import Redis  # noqa: PLC0415 (Redis is optional)

    try:
        with Redis.from_url(
            url.get_secret_value(), socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT
        ) as redis:
            redis.ping()
    except Exception as error:  # noqa: BLE001 (any error means unavailable)
        return {"broker": CheckResult(ok=False, detail=_failure_detail(error))}
    return {"broker": CheckResult(ok=True, detail="reachable")}


def _failure_detail(error: Exception) -> str:
    return f"failed: {describe(error)}"  # the error's own text may contain addresses and SQL
