"""Prometheus metrics. If /metrics is not available, nothing is recorded and `prometheus_client` is not imported.

The processes of a server write to files in a common folder, and the process that serves /metrics reads all of them.
Counters of a stopped process stay in the sums; its gauges do not.
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
from typing import TYPE_CHECKING

from flask import Flask, current_app, has_app_context

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Histogram
    from prometheus_client.core import Metric

KEY = "flaskauth.metrics"
MULTIPROC_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it at import
SAMPLE_INTERVAL = 1.0  # seconds between updates of the gauges
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # unknown methods and routes: clients could otherwise create any number of time series
COUNTERS = {
    "rate_limited_requests": "Requests rejected by a rate limit of their network",
    "hash_queue_rejections": "Requests rejected because the password hash queue was full",
    "database_pool_waits": "Waits for a database connection",
    "database_pool_timeouts": "Waits for a database connection that timed out after one second",
}

Gauges = Mapping[str, tuple[str, Callable[[], float]]]


class Metrics:
    """The metrics of this process; `render` returns those of all processes of the server."""

    def __init__(self, gauges: Gauges) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram  # noqa: PLC0415 (30 ms or more)

        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "flaskauth_http_request_duration_seconds",
            "Duration of requests by route, method and status class",
            ("route", "method", "status"),
            registry=self._registry,
            buckets=BUCKETS,
        )
        self._error_responses = Counter(
            "flaskauth_error_responses", "Error responses by code", ("code",), registry=self._registry
        )
        self._counters = {
            name: Counter(f"flaskauth_{name}", description, registry=self._registry)
            for name, description in COUNTERS.items()
        }
        self._gauges = [
            (Gauge(f"flaskauth_{name}", text, registry=self._registry, multiprocess_mode="livesum"), read_value)
            for name, (text, read_value) in gauges.items()
        ]
        self._series: dict[tuple[str | None, str, int], Histogram] = {}
        self._pid = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread that updates the gauges for other processes. Each forked process must start its own."""
        with self._lock:
            is_new, self._pid = self._pid != os.getpid(), os.getpid()
            if is_new and MULTIPROC_DIR_VARIABLE in os.environ:
                threading.Thread(target=self._refresh_forever, name="metrics", daemon=True).start()

    def observe_request(self, route: str | None, method: str, status: int, seconds: float) -> None:
        """Record the duration of a request."""
        if self._pid != os.getpid():
            self.start()
        key = (route, method, status // 100)
        series = self._series.get(key) or self._create_series(key)
        series.observe(seconds)

    def count_error(self, code: str) -> None:
        self._error_responses.labels(code).inc()

    def increment(self, name: str) -> None:
        self._counters[name].inc()

    def render(self, extra: Iterable[tuple[str, str, float]] = ()) -> bytes:
        """Return all metrics in the Prometheus text format. `extra` adds gauges: name, description, value."""
        from prometheus_client import generate_latest  # noqa: PLC0415

        self._refresh()
        registry = _multiprocess_registry() if MULTIPROC_DIR_VARIABLE in os.environ else self._registry
        return generate_latest(registry) + generate_latest(_registry_of(extra))

    def _create_series(self, key: tuple[str | None, str, int]) -> "Histogram":
        route, method, status = key
        method_label = method if method in METHODS else OTHER
        series = self._requests.labels(route or OTHER, method_label, f"{status}xx")
        if method in METHODS:  # unknown methods are not cached: their number is unlimited
            self._series[key] = series
        return series

    def _refresh_forever(self) -> None:
        while True:
            self._refresh()
            time.sleep(SAMPLE_INTERVAL)

    def _refresh(self) -> None:
        for gauge, read_value in self._gauges:
            gauge.set(read_value())


def init_app(app: Flask, gauges: Gauges) -> None:
    """Record metrics for this application."""
    app.extensions[KEY] = Metrics(gauges)


def get_metrics(app: Flask) -> Metrics | None:
    """Return the metrics of an application, or None if it records none."""
    metrics: Metrics | None = app.extensions.get(KEY)
    return metrics


def increment(name: str) -> None:
    """Increment one of the `COUNTERS` of the current application, if there is one that records metrics."""
    if has_app_context() and (metrics := get_metrics(current_app)):
        metrics.increment(name)


def count_error(code: str) -> None:
    """Count an error response of the current application."""
    if metrics := get_metrics(current_app):
        metrics.count_error(code)


def enable_multiprocess() -> None:
    """Add up the metrics of all processes that are forked from this one, in a temporary folder removed at exit."""
    os.environ[MULTIPROC_DIR_VARIABLE] = directory = mkdtemp(prefix="flaskauth-metrics-")
    atexit.register(_remove_directory, directory, os.getpid())


def _remove_directory(directory: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(directory, ignore_errors=True)


def _multiprocess_registry() -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    _remove_files_of_dead_processes()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _remove_files_of_dead_processes() -> None:
    """Delete the gauge files of killed processes, which would stay in the sums."""
    for file in Path(os.environ[MULTIPROC_DIR_VARIABLE]).glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rpartition("_")[2]), 0)
        except (ProcessLookupError, PermissionError):  # PermissionError: a different user's process reuses the id
            with suppress(FileNotFoundError):  # a concurrent request removed it
                file.unlink()


def _registry_of(values: Iterable[tuple[str, str, float]]) -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry  # noqa: PLC0415
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    class Values:
        def collect(self) -> Iterator["Metric"]:
            return (GaugeMetricFamily(f"flaskauth_{name}", text, value) for name, text, value in values)

    registry = CollectorRegistry()
    registry.register(Values())
    return registry
