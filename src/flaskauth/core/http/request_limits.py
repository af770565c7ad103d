"""Request rate limits per client network, in Redis or, if Redis is unavailable or not configured, in each process.

They protect against floods. The attempt limits of codes and passwords are counted in the database (`rate_limits`).
"""

import time
from collections.abc import Callable
from functools import cache, partial, wraps
from typing import ParamSpec, Protocol, TypeVar, cast

from flask import Flask, current_app, request
from limits import RateLimitItem, parse_many
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from flaskauth.core.errors import TooManyRequests
from flaskauth.core.http.memory_storage import InMemoryStorage
from flaskauth.core.http.request import Environ, client_ip_from, network_of, raises
from flaskauth.core.observability import metrics as core_metrics
from flaskauth.core.observability import redis_outage
from flaskauth.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

KEY = "flaskauth.request_limits"
COUNTED_LIMITS = "flaskauth.counted_limits"
REDIS_TIMEOUT = 0.5  # seconds
REDIS_RETRY_SECONDS = 5.0  # seconds between attempts while Redis is unavailable


class LimitedView(Protocol):
    count_request: Callable[[Environ], None]


class RequestLimiter:
    """Fixed-window counters. Without Redis, each process enforces its share of the limits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._shared_factor = settings.rate_limit_factor
        self._local_factor = self._shared_factor / settings.web_concurrency
        self._local = FixedWindowRateLimiter(InMemoryStorage())
        self._shared = FixedWindowRateLimiter(_redis_storage(settings)) if settings.redis_url else None
        self._redis_retry_at = 0.0

    def hit(self, limits: str, *key: str) -> float:
        """Count a request. Return 0 if it is within the limits, else the seconds to wait."""
        return self._with_fallback(lambda limiter, factor: _check_all(limiter.hit, limiter, factor, limits, key))

    def test(self, limits: str, *key: str) -> float:
        """Return 0 if a further request is within the limits, else the seconds to wait. Do not count."""
        return self._with_fallback(lambda limiter, factor: _check_all(limiter.test, limiter, factor, limits, key))

    def _with_fallback(self, check: Callable[[FixedWindowRateLimiter, float], T]) -> T:
        if self._shared and time.monotonic() >= self._redis_retry_at:
            try:
                return check(self._shared, self._shared_factor)
            except StorageError as error:
                self._redis_retry_at = time.monotonic() + REDIS_RETRY_SECONDS
                redis_outage.report(error.storage_error)
        return check(self._local, self._local_factor)


def rate_limit(group: str = "default") -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Limit the requests of each client network to a view. Exceeding the limit is 429.

    Args:
        group: the setting with the limits, such as "register" for `RATE_LIMIT_REGISTER`.
    """
    setting = f"rate_limit_{group}"

    def decorator(view: Callable[P, T]) -> Callable[P, T]:
        name = f"{view.__module__}.{view.__qualname__}"  # view names are not unique across packages

        @wraps(view)
        def limited_view(*args: P.args, **kwargs: P.kwargs) -> T:
            _count_once(setting, name, request.environ)
            return view(*args, **kwargs)

        limited_view.limits = setting  # type: ignore[attr-defined]
        limited_view.count_request = partial(_count_once, setting, name)  # type: ignore[attr-defined]
        return raises(TooManyRequests)(limited_view)

    return decorator


def count_request(view: Callable[..., object], environ: Environ) -> None:
    """Count a request to a view with `rate_limit` that the fast path handles instead.

    Raises:
        TooManyRequests: the limit is exceeded.
    """
    cast("LimitedView", view).count_request(environ)


def hit(limits: str, *key: str) -> bool:
    """Count an event. Return True if it is within the limits; the caller decides what follows if not."""
    return _get_limiter().hit(limits, *key) == 0


def retry_after(limits: str, *key: str) -> float:
    """Return 0 if a further `hit` is within the limits, else the seconds to wait. Do not count."""
    return _get_limiter().test(limits, *key)


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions[KEY] = RequestLimiter(settings)


def _count_once(setting: str, name: str, environ: Environ) -> None:
    """Count the request once, even if its transaction is retried."""
    counted: set[str] = environ.setdefault(COUNTED_LIMITS, set())
    if name in counted:
        return
    counted.add(name)
    limiter = _get_limiter()
    seconds = limiter.hit(getattr(limiter.settings, setting), name, network_of(client_ip_from(environ)))
    if seconds:
        core_metrics.increment("rate_limited_requests")
        raise TooManyRequests(retry_after=seconds)


_parse = cache(parse_many)


def _check_all(
    check: Callable[..., bool], limiter: FixedWindowRateLimiter, factor: float, limits: str, key: tuple[str, ...]
) -> float:
    for item in _parse(limits):
        scaled = _scale(item, factor)
        if not check(scaled, *key):
            return max(1.0, limiter.get_window_stats(scaled, *key).reset_time - time.time())
    return 0


def _scale(item: RateLimitItem, factor: float) -> RateLimitItem:
    return type(item)(max(1, round(item.amount * factor)), item.multiples)


def _redis_storage(settings: Settings) -> RedisStorage:
    assert settings.redis_url
    url = settings.redis_url.get_secret_value()
    return RedisStorage(
        url,
        wrap_exceptions=True,
        key_prefix="flaskauth",
        socket_timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
    )


def _get_limiter() -> RequestLimiter:
    limiter = current_app.extensions[KEY]
    assert isinstance(limiter, RequestLimiter)
    return limiter
