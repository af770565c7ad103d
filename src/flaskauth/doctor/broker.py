"""Check Redis, the broker of Celery."""

from flask import current_app
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from flaskauth.core.context import settings
from flaskauth.core.jobs.celery_app import get_celery
from flaskauth.doctor.findings import (
    CheckGroup,
    Finding,
    failed,
    ok,
    pluralize,
    run_checks,
    short_reason,
    skipped,
    warning,
)

TIMEOUT = 2  # seconds
MAX_WAITING = 100  # messages; a running worker leaves few
NOT_CONFIGURED = "REDIS_URL is not set: server threads do the work"


def _check_broker() -> Finding:
    url = settings().redis_url
    if url is None:
        return ok(NOT_CONFIGURED)
    try:
        with _connect(url) as redis:
            memory = redis.info("memory")
    except AuthenticationError:
        return failed("Redis rejects the login", "Correct the name and password in REDIS_URL.")
    except (RedisError, OSError) as error:
        return failed(
            f"Redis does not respond: {short_reason(error)}",
            "Start it, or correct REDIS_URL. In the meantime, server threads send the mail.",
        )
    return _validate(memory["maxmemory"], memory["maxmemory_policy"])


def _validate(max_memory: int, policy: str) -> Finding:
    if max_memory and policy != "noeviction":
        return warning(
            f"Redis can evict messages and request counters when its memory is full (maxmemory-policy {policy})",
            "Set maxmemory-policy to noeviction, and provide enough memory.",
        )
    return ok("Redis responds and does not evict messages")


def _check_queue() -> Finding:
    url = settings().redis_url
    if url is None:
        return ok(NOT_CONFIGURED)
    try:
        with _connect(url) as redis:
            waiting = int(str(redis.llen(get_celery(current_app).conf.task_default_queue)))
    except (RedisError, OSError):
        return skipped("broker failed")
    summary = pluralize(waiting, "message waits", "messages wait")
    if waiting > MAX_WAITING:
        return warning(
            f"{summary}: no worker runs, or too few",
            "Start a worker, or more workers: celery -A flaskauth.celery worker --loglevel=INFO",
        )
    return ok(summary)


def _connect(url: SecretStr) -> Redis:
    return Redis.from_url(url.get_secret_value(), socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


CHECKS = {"broker": _check_broker, "queue": _check_queue}
GROUP = CheckGroup(tuple(CHECKS), frozenset({"REDIS_URL"}), lambda: run_checks(CHECKS))
