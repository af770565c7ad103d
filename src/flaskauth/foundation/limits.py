"""Coarse request limits by network, in Redis or, where there is none or it is away, in this process.

They only keep floods off; what guards codes and passwords is counted in the database (see throttles).
"""

import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from flask import Flask, current_app, request
from limits import RateLimitItem, parse_many
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from flaskauth.foundation import measures
from flaskauth.foundation.errors import TooManyRequests
from flaskauth.foundation.http import Environ, client_ip_in, network_of, refuses
from flaskauth.foundation.windows import Windows
from flaskauth.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

KEY = "flaskauth.limits"
COUNTED = "flaskauth.counted"
REDIS_TIMEOUT = 0.5  # seconds
LOOK_AGAIN = 5.0  # seconds between tries of a Redis that is away

log = structlog.get_logger(__name__)


class Limiter:
    """Counts requests in fixed windows; each process takes its share where they do not count together."""

    def __init__(self, settings: Settings) -> None:
        self._factor = settings.request_limits
        self._share = self._factor / settings.web_concurrency
        self._own = FixedWindowRateLimiter(Windows())
        self._shared = FixedWindowRateLimiter(_redis(settings)) if settings.redis_url else None
        self._away_until = 0.0

    def retry_after(self, limits: list[RateLimitItem], *key: str) -> float:
        """Count one request; 0 where it may go on, else the seconds to wait."""
        return self._ask(lambda limiter, factor: _count(limiter, factor, limits, key))

    def is_over(self, limits: list[RateLimitItem], *key: str) -> bool:
        """Whether one more would be refused."""
        return self._ask(lambda limiter, factor: not all(limiter.test(_scaled(item, factor), *key) for item in limits))

    def _ask(self, question: Callable[[FixedWindowRateLimiter, float], T]) -> T:
        if self._shared and time.monotonic() >= self._away_until:
            try:
                return question(self._shared, self._factor)
            except StorageError:
                self._away_until = time.monotonic() + LOOK_AGAIN
                log.warning("redis_away", what="request limits are counted in each process meanwhile")
        return question(self._own, self._share)


def limited(limits: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """At most so many requests a network: "30/minute; 300/hour"."""
    items = parse_many(limits)

    def decorator(view: Callable[P, T]) -> Callable[P, T]:
        name = f"{view.__module__}.{view.__qualname__}"  # two rooms may have a view of one name

        @wraps(view)
        def answer(*args: P.args, **kwargs: P.kwargs) -> T:
            _spend(items, name, request.environ)
            return view(*args, **kwargs)

        answer.limits = limits  # type: ignore[attr-defined]
        answer.spend = partial(_spend, items, name)  # type: ignore[attr-defined]
        return refuses(TooManyRequests)(answer)

    return decorator


def spend(view: Any, environ: Environ) -> None:
    """Count a request for a view that is `limited`, where another answers in its place.

    Raises:
        TooManyRequests
    """
    view.spend(environ)


def within(limits: str, *key: str) -> bool:
    """Whether one more stays within; for what is counted but refused to nobody."""
    return _limiter().retry_after(parse_many(limits), *key) == 0


def is_over(limits: str, *key: str) -> bool:
    """Whether `within` has been exceeded, without counting."""
    return _limiter().is_over(parse_many(limits), *key)


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions[KEY] = Limiter(settings)


def _spend(items: list[RateLimitItem], name: str, environ: Environ) -> None:
    """Count the request once, however often its transaction is run again."""
    counted: set[str] = environ.setdefault(COUNTED, set())
    if name in counted:
        return
    counted.add(name)
    wait = _limiter().retry_after(items, name, network_of(client_ip_in(environ)))
    if wait:
        measures.count("limited_requests")
        raise TooManyRequests(retry_after=wait)


def _count(limiter: FixedWindowRateLimiter, factor: float, limits: list[RateLimitItem], key: tuple[str, ...]) -> float:
    for item in limits:
        scaled = _scaled(item, factor)
        if not limiter.hit(scaled, *key):
            return max(1.0, limiter.get_window_stats(scaled, *key).reset_time - time.time())
    return 0


def _scaled(item: RateLimitItem, factor: float) -> RateLimitItem:
    return type(item)(max(1, round(item.amount * factor)), item.multiples)


def _redis(settings: Settings) -> RedisStorage:
    assert settings.redis_url
    url = settings.redis_url.get_secret_value()
    options: dict[str, Any] = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
    return RedisStorage(url, wrap_exceptions=True, key_prefix="flaskauth", **options)


def _limiter() -> Limiter:
    found = current_app.extensions[KEY]
    assert isinstance(found, Limiter)
    return found
