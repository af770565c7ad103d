"""Redis, over which Celery hears of work."""

from typing import Any

from flask import current_app
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from flaskauth.doctor.findings import Finding, Subject, counted, doubtful, each, fine, in_short, skipped, wrong
from flaskauth.foundation.current import settings
from flaskauth.foundation.queue import queue

TIMEOUT = 2  # seconds
MANY = 100  # messages; with a worker at work there are few
NONE = "none is set: the server's threads do its work"


def _broker() -> Finding:
    url = settings().redis_url
    if url is None:
        return fine(NONE)
    try:
        with _redis(url) as redis:
            memory = redis.info("memory")
    except AuthenticationError:
        return wrong("Redis refuses the login", "Correct the name and password in REDIS_URL.")
    except (RedisError, OSError) as error:
        return wrong(
            f"Redis does not answer: {in_short(error)}",
            "Start it, or correct REDIS_URL. Mail goes out meanwhile, from the server's threads.",
        )
    return _judged(memory["maxmemory"], memory["maxmemory_policy"])


def _judged(most: int, policy: str) -> Finding:
    if most and policy != "noeviction":
        return doubtful(
            f"Redis may forget messages and counted requests when its memory is full (maxmemory-policy {policy})",
            "Set maxmemory-policy to noeviction, and give it memory enough.",
        )
    return fine("answers, and forgets nothing")


def _queue() -> Finding:
    url = settings().redis_url
    if url is None:
        return fine(NONE)
    try:
        with _redis(url) as redis:
            waiting = int(str(redis.llen(queue(current_app).conf.task_default_queue)))
    except (RedisError, OSError):
        return skipped("of broker")
    told = counted(waiting, "message waits", "messages wait")
    if waiting > MANY:
        return doubtful(
            f"{told}: no worker takes them, or too few do",
            "Start a worker, or more: celery -A flaskauth.celery worker --loglevel=INFO",
        )
    return fine(told)


def _redis(url: SecretStr) -> Redis:
    options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    return Redis.from_url(url.get_secret_value(), **options)


CHECKS = {"broker": _broker, "queue": _queue}
SUBJECT = Subject(tuple(CHECKS), frozenset({"REDIS_URL"}), lambda: each(CHECKS))
