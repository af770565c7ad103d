"""Request rate limits per client network, counted in each process and reconciled with Redis (ADR 27).

They protect against floods. The attempt limits of codes and passwords are counted in the database (`rate_limits`).
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache, partial, wraps
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from flask import Flask, current_app, request
from limits import parse_many

from flaskauth.core.errors import TooManyRequests
from flaskauth.core.http.request import Environ, client_ip_from, network_of, raises
from flaskauth.core.observability import metrics as core_metrics
from flaskauth.core.observability import redis_outage
from flaskauth.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

P = ParamSpec("P")
T = TypeVar("T")
Key = tuple[str | int, ...]

KEY = "flaskauth.request_limits"
COUNTED_LIMITS = "flaskauth.counted_limits"
MAX_WINDOWS = 50_000  # of a process, about 20 MB; an attacker with an IPv6 /40 has 16 million networks
FIRST_SWEEP = 1_000  # windows at which expired ones are deleted for the first time
RECONCILE_INTERVAL = 1.0  # seconds
RECONCILE_PAUSE = 0.02  # seconds; events that other processes must learn immediately wait no longer
# Exchanges while a network sends what a limit allows to one process. With more of them, several processes exceed the
# limit by less. Only the requests of such a burst wait for them.
EXCHANGES_PER_SHARE = 4
REDIS_TIMEOUT = 0.5  # seconds
REDIS_RETRY_SECONDS = 5.0  # seconds between attempts while Redis is unavailable
KEYS_PER_CALL = 500  # Redis serves no other client during a call
# Add a count to each key and return the total with the remaining milliseconds. The first count opens the window.
RECONCILE_SCRIPT = """
local results = {}
for i, key in ipairs(KEYS) do
    local count, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    local total = count > 0 and redis.call('INCRBY', key, count) or tonumber(redis.call('GET', key) or 0)
    local remaining = redis.call('PTTL', key)
    if count > 0 and remaining < 0 then
        redis.call('PEXPIRE', key, window)
        remaining = window
    end
    results[2 * i - 1], results[2 * i] = total, remaining
end
return results
"""


class LimitedView(Protocol):
    """A view with `rate_limit`. `count_request` counts a request that the fast path handles instead."""

    count_request: Callable[[Environ], None]


class _Rule(NamedTuple):
    """A number of requests in a window of seconds, and the share of a process without Redis."""

    limit: int
    share: int
    seconds: int


class _Window:
    """The requests of a network in the current window, as far as this process knows."""

    __slots__ = ("count", "resets_at", "unsent")

    def __init__(self, resets_at: float) -> None:
        self.count = 0
        self.unsent = 0  # the part of `count` that Redis does not have yet
        self.resets_at = resets_at  # by `time.monotonic`

    def add_total(self, sent: int, total: int, resets_at: float) -> None:
        """Use the total of Redis, which includes what was sent. Keep the own count if Redis has lost its data."""
        self.unsent -= sent
        if total >= self.count - self.unsent:
            self.count, self.resets_at = total + self.unsent, resets_at


class RequestLimiter:
    """Fixed windows that open with the first request. Without Redis, each process enforces its share of the limits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._rules = cache(self._parse)
        self._redis = _redis_client(settings.redis_url.get_secret_value()) if settings.redis_url else None
        self._is_shared = False  # True while Redis can be reached
        self._lock = threading.Lock()
        self._exchange_lock = threading.Lock()  # an older total must not replace a newer one
        self._windows: dict[Key, _Window] = {}
        self._unreconciled: dict[Key, _Window] = {}
        self._sweep_at = FIRST_SWEEP
        self._is_urgent = threading.Event()
        self._thread_pid = 0

    def hit(self, limits: str, *key: str) -> float:
        """Count a request. Return 0 if it is within the limits, else the seconds to wait.

        It waits for Redis only during a burst of one network, which other processes may have counted too.
        """
        if self._needs_exchange(limits, key):
            self.reconcile()
        return self._check(limits, key, counts=True)

    def test(self, limits: str, *key: str) -> float:
        """Return 0 if a further request is within the limits, else the seconds to wait. Do not count."""
        return self._check(limits, key, counts=False)

    def reconcile_soon(self) -> None:
        """Exchange the counts with the other processes within milliseconds instead of a second."""
        self._is_urgent.set()

    def reconcile(self) -> bool:
        """Add the new counts to Redis and read those of all processes. Return False if Redis is unavailable."""
        with self._exchange_lock:
            with self._lock:
                now, windows = time.monotonic(), self._unreconciled
                self._unreconciled = {}
                counts = [(key, window, window.unsent) for key, window in windows.items() if window.resets_at > now]
            if self._is_shared and not counts:
                return True
            try:
                totals = self._exchange([(key, count) for key, _, count in counts])
            except Exception as error:  # noqa: BLE001 (the thread must survive any failure of Redis)
                redis_outage.report(error)
                self._keep_unsent(windows)
                return False
            with self._lock:
                self._is_shared, now = True, time.monotonic()
                for (_, window, count), (total, remaining) in zip(counts, totals, strict=True):
                    window.add_total(count, total, now + remaining / 1000 if remaining > 0 else window.resets_at)
            return True

    def _keep_unsent(self, windows: dict[Key, _Window]) -> None:
        """Keep the counts of these windows for the next exchange, because Redis is unavailable.

        Deleted windows are not kept: an attacker with many networks would fill the memory.
        """
        with self._lock:
            self._is_shared = False
            waiting = {**windows, **self._unreconciled}
            self._unreconciled = {key: window for key, window in waiting.items() if self._windows.get(key) is window}

    def _needs_exchange(self, limits: str, key: Key) -> bool:
        """Return True if the process has counted a part of what a limit still allowed at the last exchange."""
        if not self._is_shared:
            return False
        with self._lock:
            for rule in self._rules(limits):
                window = self._windows.get((*key, rule.limit, rule.seconds))
                if window and window.unsent:
                    remaining = rule.limit - window.count + window.unsent
                    if window.unsent * EXCHANGES_PER_SHARE >= remaining * rule.share / rule.limit:
                        return True
        return False

    def _check(self, limits: str, key: Key, *, counts: bool) -> float:
        now, wait = time.monotonic(), 0.0
        with self._lock:
            checked = []
            for rule in self._rules(limits):
                window_key = (*key, rule.limit, rule.seconds)
                window = self._get_window(window_key, rule, now)
                checked.append((rule, window))
                if window.count >= rule.limit or (not self._is_shared and window.unsent >= rule.share):
                    wait = max(wait, 1.0, window.resets_at - now)
                if self._redis:
                    self._unreconciled[window_key] = window
            if counts and not wait:
                for rule, window in checked:
                    if not window.count:
                        window.resets_at = now + rule.seconds
                    window.count += 1
                    window.unsent += 1
        if self._redis and self._thread_pid != os.getpid():
            self._start_thread()
        return wait

    def _get_window(self, key: Key, rule: _Rule, now: float) -> _Window:
        window = self._windows.get(key)
        if window and window.resets_at > now:
            return window
        self._windows.pop(key, None)  # so that the oldest windows come first
        if len(self._windows) >= self._sweep_at:
            self._sweep(now)
        window = self._windows[key] = _Window(now + rule.seconds)
        return window

    def _sweep(self, now: float) -> None:
        """Delete expired windows. If more than half of the maximum are left, delete the oldest too."""
        self._windows = {key: window for key, window in self._windows.items() if window.resets_at > now}
        for key in list(islice(self._windows, max(0, len(self._windows) - MAX_WINDOWS // 2))):
            del self._windows[key]
        self._sweep_at = max(FIRST_SWEEP, 2 * len(self._windows))

    def _start_thread(self) -> None:
        """Start the thread that reconciles, in a new process too."""
        with self._lock:
            if self._thread_pid == os.getpid():
                return
            self._thread_pid = os.getpid()
        threading.Thread(target=self._reconcile_forever, name="request-limits", daemon=True).start()

    def _reconcile_forever(self) -> None:
        while True:
            if self.reconcile():
                time.sleep(RECONCILE_PAUSE)
                self._is_urgent.wait(RECONCILE_INTERVAL)
                self._is_urgent.clear()
            else:
                time.sleep(REDIS_RETRY_SECONDS)

    def _exchange(self, counts: Sequence[tuple[Key, int]]) -> list[tuple[int, int]]:
        """Return the total of each key and the milliseconds until its window ends. One round trip for all keys."""
        assert self._redis
        pipeline = self._redis.pipeline(transaction=False)
        for start in range(0, max(1, len(counts)), KEYS_PER_CALL):
            part = counts[start : start + KEYS_PER_CALL]
            keys = [":".join(map(str, ("flaskauth:request_limit", *key))) for key, _ in part]
            arguments = [value for key, count in part for value in (count, cast("int", key[-1]) * 1000)]
            pipeline.eval(RECONCILE_SCRIPT, len(keys), *keys, *arguments)
        values = [value for part in pipeline.execute() for value in part]
        return list(zip(values[::2], values[1::2], strict=True))

    def _parse(self, limits: str) -> list[_Rule]:
        factor, share = self.settings.rate_limit_factor, 1 / self.settings.web_concurrency
        return [
            _Rule(max(1, round(item.amount * factor)), max(1, round(item.amount * factor * share)), item.get_expiry())
            for item in parse_many(limits)
        ]


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

        # `limits` is for the generated documentation, and `count_request` for the fast path, which skips the view.
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
    """Count an event. Return True if it is within the limits. Raise nothing if it is not.

    The other processes receive the count within milliseconds.
    """
    limiter = _get_limiter()
    is_allowed = limiter.hit(limits, *key) == 0
    limiter.reconcile_soon()
    return is_allowed


def retry_after(limits: str, *key: str) -> float:
    """Return 0 if a further `hit` is within the limits, else the seconds to wait. Do not count."""
    return _get_limiter().test(limits, *key)


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions[KEY] = RequestLimiter(settings)


def _count_once(setting: str, name: str, environ: Environ) -> None:
    """Count the request for the network of its client: once, even if its transaction is retried.

    Args:
        setting: the name of the setting with the limits.
        name: the counter, which is the view.

    Raises:
        TooManyRequests: the limit is exceeded.
    """
    counted: set[str] = environ.setdefault(COUNTED_LIMITS, set())
    if name in counted:
        return
    counted.add(name)
    limiter = _get_limiter()
    seconds = limiter.hit(getattr(limiter.settings, setting), name, network_of(client_ip_from(environ)))
    if seconds:
        core_metrics.increment("rate_limited_requests")
        raise TooManyRequests(retry_after=seconds)


def _redis_client(url: str) -> "Redis":
    from redis import Redis  # noqa: PLC0415 (its import takes long, and most commands do not need it)

    return Redis.from_url(url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT)


def _get_limiter() -> RequestLimiter:
    limiter = current_app.extensions[KEY]
    assert isinstance(limiter, RequestLimiter)
    return limiter
