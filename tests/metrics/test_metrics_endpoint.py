"""GET /metrics: counters of the server, and gauges that are read from the database at each request."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tests.conftest import MakeApp
from tests.health.test_readiness import insert_mail
from tests.metrics.helpers import METRICS_TOKEN, metric_value

from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.errors import Overloaded, TooManyRequests
from flaskauth.core.http import request_limits
from flaskauth.core.jobs import background
from flaskauth.core.passwords import hashing
from flaskauth.mail.models import FAILED, OutboxMail

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
BEARER = {"Authorization": f"Bearer {METRICS_TOKEN}", "Via": "a proxy"}
# With a mail server the development mailbox is off, and without a token no client can read the metrics.
IMPORT_CHECK_PROGRAM = """
import os, sys
os.environ |= {"FLASKAUTH_ENV": "development", "MAIL_SERVER": "localhost"}
import flaskauth
client = flaskauth.create_app().test_client()
assert client.get("/metrics").status_code == 404
print("prometheus_client" in sys.modules)
"""

ReadMetrics = Callable[[], str]


@pytest.fixture
def metrics_app(make_app: MakeApp) -> Flask:
    return make_app(METRICS_TOKEN=METRICS_TOKEN)


@pytest.fixture
def read_metrics(metrics_app: Flask) -> ReadMetrics:
    def read() -> str:
        response = metrics_app.test_client().get("/metrics", headers=BEARER)
        assert response.status_code == 200
        return response.text

    return read


@ON_SQLITE
@pytest.mark.parametrize(
    "headers",
    [
        {"Via": "a proxy"},
        {"Via": "a proxy", "Authorization": "Bearer wrong"},
        {"Via": "a proxy", "Authorization": f"Bearer {METRICS_TOKEN}x"},
        {"Via": "a proxy", "Authorization": f"Basic {METRICS_TOKEN}"},
        {"Via": "a proxy", "Authorization": METRICS_TOKEN},
    ],
)
def test_metrics_without_valid_token_returns_404(metrics_app: Flask, headers: dict[str, str]) -> None:
    client = metrics_app.test_client()
    response = client.get(f"/metrics?token={METRICS_TOKEN}", headers=headers)

    assert (response.status_code, response.get_json()["code"]) == (404, "not_found")
    assert response.get_json()["message"] == client.get("/nowhere").get_json()["message"]


@ON_SQLITE
def test_metrics_without_configured_token_returns_404(make_app: MakeApp) -> None:
    client = make_app(MAIL_SERVER="localhost").test_client()
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        assert client.get("/metrics", headers=headers).status_code == 404


@ON_SQLITE
def test_metrics_in_development_is_open_to_loopback_only(client: FlaskClient) -> None:
    """The same rule as for the details of /health/ready: a loopback client without a proxy."""
    assert metric_value(client.get("/metrics").text, "processes") == 1
    assert client.get("/metrics", headers={"Via": "a proxy"}).status_code == 404


def test_metrics_disabled_does_not_import_prometheus(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_CHECK_PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert result.stdout.splitlines()[-1] == "False"


@ON_SQLITE
def test_metrics_response_has_prometheus_content_type(metrics_app: Flask) -> None:
    response = metrics_app.test_client().get("/metrics", headers=BEARER)

    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"


@ON_SQLITE
def test_metrics_count_requests_by_route_and_status(metrics_app: Flask, read_metrics: ReadMetrics) -> None:
    client = metrics_app.test_client()
    for path in ("/hello", "/hello", "/avatars/of-ada@example.com", "/nowhere/ada@example.com"):
        client.get(path)
    client.open("/hello", method="BREW")

    page = read_metrics()
    count = "http_request_duration_seconds_count"
    assert metric_value(page, count, route="/hello", method="GET", status="2xx") == 2
    assert metric_value(page, count, route="/avatars/<name>", method="GET", status="4xx") == 1
    assert metric_value(page, count, route="other", method="GET", status="4xx") == 1
    assert metric_value(page, count, route="other", method="other", status="4xx") == 1
    assert (
        metric_value(
            page, "http_request_duration_seconds_bucket", route="/hello", method="GET", status="2xx", le="+Inf"
        )
        == 2
    )
    assert (metric_value(page, "error_responses_total", code="not_found"), "@" in page) == (2, False)


@ON_SQLITE
def test_metrics_count_rate_limited_requests(make_app: MakeApp) -> None:
    metrics_app = make_app(METRICS_TOKEN=METRICS_TOKEN, RATE_LIMIT_DEFAULT="1/hour")

    @request_limits.rate_limit()
    def view() -> None:
        """A view with a limit of one request per hour."""

    for _ in range(3):
        with metrics_app.test_request_context(), suppress(TooManyRequests):
            view()

    page = metrics_app.test_client().get("/metrics", headers=BEARER).text
    assert metric_value(page, "rate_limited_requests_total") == 2


@ON_SQLITE
def test_metrics_count_rejected_hash_requests(metrics_app: Flask, read_metrics: ReadMetrics) -> None:
    pool = metrics_app.extensions[hashing.KEY]
    pool.max_queued = 0
    with metrics_app.app_context(), pytest.raises(Overloaded):
        pool.run(lambda: None)

    assert (
        metric_value(read_metrics(), "hash_queue_rejections_total"),
        metric_value(read_metrics(), "hash_queue"),
    ) == (1, 0)


def test_metrics_count_waits_for_a_database_connection(make_app: MakeApp) -> None:
    app = make_app(METRICS_TOKEN=METRICS_TOKEN, DATABASE_POOL_SIZE="1")

    def connect() -> None:
        with app.app_context(), pytest.raises(PoolTimeout):
            db.engine.connect()

    with app.app_context(), ThreadPoolExecutor(1) as other:
        pool = db.engine.pool
        connections = [db.engine.connect() for _ in range(1 + pool._max_overflow)]  # type: ignore[attr-defined]
        other.submit(connect).result()
        for connection in connections[1:]:
            connection.close()
        page = app.test_client().get("/metrics", headers=BEARER).text
        connections[0].close()

    assert (metric_value(page, "database_pool_waits_total"), metric_value(page, "database_pool_timeouts_total")) == (
        1,
        1,
    )
    assert 1 <= metric_value(page, "database_connections") < len(connections)
    assert metric_value(page, "database_connections_max") > len(connections)


def test_metrics_report_queued_failed_and_late_outbox_mail(metrics_app: Flask, read_metrics: ReadMetrics) -> None:
    before = read_metrics()
    insert_mail(metrics_app.test_client(), late=timedelta(seconds=90))
    queued = read_metrics()
    with metrics_app.app_context():
        db.session.execute(update(OutboxMail).values(state=FAILED))
        db.session.commit()

    assert [metric_value(before, f"outbox_{name}") for name in ("queued", "failed", "late_seconds")] == [0, 0, 0]
    assert metric_value(queued, "outbox_queued") == 1
    assert 90 <= metric_value(queued, "outbox_late_seconds") < 120
    assert [metric_value(read_metrics(), f"outbox_{name}") for name in ("queued", "failed", "late_seconds")] == [
        0,
        1,
        0,
    ]


def test_metrics_report_the_signing_key_age(read_metrics: ReadMetrics) -> None:
    age = metric_value(read_metrics(), "signing_key_age_seconds")
    clock.travel(timedelta(days=3))

    assert metric_value(read_metrics(), "signing_key_age_seconds") - age == pytest.approx(3 * 86_400, abs=60)


def test_metrics_report_a_late_schedule(metrics_app: Flask, read_metrics: ReadMetrics) -> None:
    metrics_app.extensions[background.KEY].stop()
    with metrics_app.app_context():
        background.PeriodicJob("nothing", timedelta(hours=1), lambda: None).run()
    clock.travel(timedelta(minutes=10))

    assert metric_value(read_metrics(), "schedule_late_seconds") > 500


def test_metrics_database_down_reports_the_rest(make_app: MakeApp) -> None:
    app = make_app(METRICS_TOKEN=METRICS_TOKEN, SQLALCHEMY_DATABASE_URI="mysql://app:x@127.0.0.1:1/none")
    page = app.test_client().get("/metrics", headers=BEARER).text

    assert ("flaskauth_database_up 0.0" in page, "flaskauth_processes 1.0" in page) == (True, True)
    assert "outbox" not in page
