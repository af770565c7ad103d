"""What the server tells Prometheus of itself. Where nobody may see it nothing is counted, and its library not loaded.

The processes of one server write into files of a folder, and whoever is asked reads them all. What a process that has
ended counted stays in the sums; what it had under way does not.
"""

import atexit
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, has_app_context

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

KEY = "flaskauth.measures"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the library's name for it; read once, when it is imported
EVERY = 1.0  # seconds between two looks at what is under way
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ANOTHER = "other"  # a method or route that there is not: whoever asks may invent as many as they like
COUNTED = {
    "limited_requests": "Requests refused because their network had sent too many",
    "hash_refusals": "Requests sent away because their password would have waited too long to be hashed",
    "database_waits": "Times that a connection to the database had to be waited for",
    "database_refusals": "Times that there was none within a second",
}

Gauges = Mapping[str, tuple[str, Callable[[], float]]]


class Measures:
    """What this process measures, and what all processes of the server have measured."""

    def __init__(self, gauges: Gauges) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram  # noqa: PLC0415 (30 ms or more)

        self._own = CollectorRegistry()
        self._requests = Histogram(
            "flaskauth_request_seconds",
            "Requests by route, method and class of status, and how long they took",
            ("route", "method", "status"),
            registry=self._own,
            buckets=BUCKETS,
        )
        self._refusals = Counter("flaskauth_refusals", "Refusals by their code", ("code",), registry=self._own)
        self._counters = {
            name: Counter(f"flaskauth_{name}", told, registry=self._own) for name, told in COUNTED.items()
        }
        alive: dict[str, Any] = {"registry": self._own, "multiprocess_mode": "livesum"}
        self._gauges = [(Gauge(f"flaskauth_{name}", told, **alive), ask) for name, (told, ask) in gauges.items()]
        self._series: dict[tuple[str | None, str, int], Any] = {}
        self._pid = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have others see what is under way; after a fork the first request, or who forked, starts it again."""
        with self._lock:
            is_new, self._pid = self._pid != os.getpid(), os.getpid()
            if is_new and FOLDER in os.environ:
                threading.Thread(target=self._keep_looking, name="measures", daemon=True).start()

    def ended(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        if self._pid != os.getpid():
            self.start()
        key = (route, method, status // 100)
        series = self._series.get(key) or self._new(key)
        series.observe(seconds)

    def refused(self, code: str) -> None:
        self._refusals.labels(code).inc()

    def count(self, name: str) -> None:
        self._counters[name].inc()

    def told(self, besides: Iterable[tuple[str, str, float]] = ()) -> bytes:
        """Everything, in Prometheus' text format, with values that were read just now: name, explanation, value."""
        from prometheus_client import generate_latest  # noqa: PLC0415

        self._look()
        registry = _all_processes() if FOLDER in os.environ else self._own
        return generate_latest(registry) + generate_latest(_read_now(besides))

    def _new(self, key: tuple[str | None, str, int]) -> Any:
        route, method, status = key
        told = method if method in METHODS else ANOTHER
        series = self._requests.labels(route or ANOTHER, told, f"{status}xx")
        if method in METHODS:  # others are not remembered, as there is no end of them
            self._series[key] = series
        return series

    def _keep_looking(self) -> None:
        while True:
            self._look()
            time.sleep(EVERY)

    def _look(self) -> None:
        for gauge, ask in self._gauges:
            gauge.set(ask())


def init_app(app: Flask, gauges: Gauges) -> None:
    """Measure this application."""
    app.extensions[KEY] = Measures(gauges)


def of(app: Flask) -> Measures | None:
    """What this application measures; none where nobody may see it."""
    found: Measures | None = app.extensions.get(KEY)
    return found


def count(name: str) -> None:
    """One more of these, see COUNTED."""
    if has_app_context() and (found := of(current_app)):
        found.count(name)


def refused(code: str) -> None:
    """One more refusal of this code."""
    if found := of(current_app):
        found.refused(code)


def share() -> None:
    """Have processes that are forked from now on add up what they count, in a folder that goes with this process."""
    os.environ[FOLDER] = folder = mkdtemp(prefix="flaskauth-measures-")
    atexit.register(_remove, folder, os.getpid())


def _remove(folder: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _all_processes() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    _forget_the_dead()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _forget_the_dead() -> None:
    """What a process that was killed had under way is under way no more."""
    for file in Path(os.environ[FOLDER]).glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rpartition("_")[2]), 0)
        except (ProcessLookupError, PermissionError):  # or its number is somebody else's by now
            with suppress(FileNotFoundError):  # another process was faster
                file.unlink()


def _read_now(values: Iterable[tuple[str, str, float]]) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    class Told:
        def collect(self) -> Iterator["Metric"]:
            return (GaugeMetricFamily(f"flaskauth_{name}", told, value) for name, told, value in values)

    registry = CollectorRegistry()
    registry.register(Told())
    return registry
