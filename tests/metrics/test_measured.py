"""What is counted, and what is read from the database when somebody asks."""

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
from tests.health.test_readiness import put_mail
from tests.metrics.reading import TOKEN, value

from flaskauth.foundation import clock, hashing, jobs, limits
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import Overloaded, TooManyRequests
from flaskauth.mail.models import DEAD, OutboxMail

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
BEARER = {"Authorization": f"Bearer {TOKEN}", "Via": "a proxy"}
# With a mail server there is no mailbox, and with no token there is nobody who may see what is measured.
UNLOADED = """
import os, sys
os.environ |= {"FLASKAUTH_ENV": "development", "MAIL_SERVER": "localhost"}
import flaskauth
client = flaskauth.create_app().test_client()
assert client.get("/metrics").status_code == 404
print("prometheus_client" in sys.modules)
"""

Read = Callable[[], str]


@pytest.fixture
def measured(make_app: MakeApp) -> Flask:
    return make_app(METRICS_TOKEN=TOKEN)


@pytest.fixture
def read(measured: Flask) -> Read:
    def ask() -> str:
        answer = measured.test_client().get("/metrics", headers=BEARER)
        assert answer.status_code == 200
        return answer.text

    return ask


@ON_SQLITE
@pytest.mark.parametrize(
    "headers",
    [
        {"Via": "a proxy"},
        {"Via": "a proxy", "Authorization": "Bearer wrong"},
        {"Via": "a proxy", "Authorization": f"Bearer {TOKEN}x"},
        {"Via": "a proxy", "Authorization": f"Basic {TOKEN}"},
        {"Via": "a proxy", "Authorization": TOKEN},
    ],
)
def test_who_does_not_bring_the_token_finds_nothing(measured: Flask, headers: dict[str, str]) -> None:
    client = measured.test_client()
    answer = client.get(f"/metrics?token={TOKEN}", headers=headers)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert answer.get_json()["message"] == client.get("/nowhere").get_json()["message"]


@ON_SQLITE
def test_without_a_token_in_the_settings_there_is_nothing_for_anybody(make_app: MakeApp) -> None:
    client = make_app(MAIL_SERVER="localhost").test_client()
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        assert client.get("/metrics", headers=headers).status_code == 404


@ON_SQLITE
def test_in_development_it_is_where_the_mailbox_is(client: FlaskClient) -> None:
    """As the details of /health/ready: for this machine, and past no proxy."""
    assert value(client.get("/metrics").text, "processes") == 1
    assert client.get("/metrics", headers={"Via": "a proxy"}).status_code == 404


def test_without_one_its_library_is_not_even_loaded(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", UNLOADED], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "False"


@ON_SQLITE
def test_it_is_told_as_prometheus_reads_it(measured: Flask) -> None:
    answer = measured.test_client().get("/metrics", headers=BEARER)

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


@ON_SQLITE
def test_requests_are_counted_by_what_they_asked_for_and_how_it_ended(measured: Flask, read: Read) -> None:
    client = measured.test_client()
    for path in ("/hello", "/hello", "/avatars/of-ada@example.com", "/nowhere/ada@example.com"):
        client.get(path)
    client.open("/hello", method="BREW")

    page = read()
    count = "request_seconds_count"
    assert value(page, count, route="/hello", method="GET", status="2xx") == 2
    assert value(page, count, route="/avatars/<name>", method="GET", status="4xx") == 1
    assert value(page, count, route="other", method="GET", status="4xx") == 1
    assert value(page, count, route="other", method="other", status="4xx") == 1
    assert value(page, "request_seconds_bucket", route="/hello", method="GET", status="2xx", le="+Inf") == 2
    assert (value(page, "refusals_total", code="not_found"), "@" in page) == (2, False)


@ON_SQLITE
def test_those_that_a_limit_refused_are_counted(measured: Flask, read: Read) -> None:
    @limits.limited("1/hour")
    def view() -> None:
        """Answers once an hour."""

    for _ in range(3):
        with measured.test_request_context(), suppress(TooManyRequests):
            view()

    assert value(read(), "limited_requests_total") == 2


@ON_SQLITE
def test_those_that_would_have_waited_too_long_for_a_hash_are_counted(measured: Flask, read: Read) -> None:
    pool = measured.extensions[hashing.KEY]
    pool.most_waiting = 0
    with measured.app_context(), pytest.raises(Overloaded):
        pool.run(lambda: None)

    assert (value(read(), "hash_refusals_total"), value(read(), "hash_queue")) == (1, 0)


def test_who_waits_for_a_connection_is_counted(make_app: MakeApp) -> None:
    app = make_app(METRICS_TOKEN=TOKEN, DATABASE_POOL_SIZE="1")

    def connect() -> None:
        with app.app_context(), pytest.raises(PoolTimeout):
            db.engine.connect()

    with app.app_context(), ThreadPoolExecutor(1) as other:
        pool = db.engine.pool
        held = [db.engine.connect() for _ in range(1 + pool._max_overflow)]  # type: ignore[attr-defined]
        other.submit(connect).result()
        for connection in held[1:]:
            connection.close()
        page = app.test_client().get("/metrics", headers=BEARER).text
        held[0].close()

    assert (value(page, "database_waits_total"), value(page, "database_refusals_total")) == (1, 1)
    assert 1 <= value(page, "database_connections") < len(held)
    assert value(page, "database_connections_most") > len(held)


def test_what_waits_to_be_mailed_and_what_never_will_be(measured: Flask, read: Read) -> None:
    before = read()
    put_mail(measured.test_client(), late=timedelta(seconds=90))
    queued = read()
    with measured.app_context():
        db.session.execute(update(OutboxMail).values(state=DEAD))
        db.session.commit()

    assert [value(before, f"outbox_{what}") for what in ("queued", "dead", "late_seconds")] == [0, 0, 0]
    assert value(queued, "outbox_queued") == 1
    assert 90 <= value(queued, "outbox_late_seconds") < 120
    assert [value(read(), f"outbox_{what}") for what in ("queued", "dead", "late_seconds")] == [0, 1, 0]


def test_the_age_of_the_signing_key_is_told(read: Read) -> None:
    young = value(read(), "signing_key_age_seconds")
    clock.travel(timedelta(days=3))

    assert value(read(), "signing_key_age_seconds") - young == pytest.approx(3 * 86_400, abs=60)


def test_a_schedule_that_nobody_keeps_is_late(measured: Flask, read: Read) -> None:
    measured.extensions[jobs.KEY].stop()
    with measured.app_context():
        jobs.Job("nothing", timedelta(hours=1), lambda: None).run()
    clock.travel(timedelta(minutes=10))

    assert value(read(), "schedule_late_seconds") > 500


def test_a_database_that_is_away_is_told_and_the_rest_as_ever(make_app: MakeApp) -> None:
    app = make_app(METRICS_TOKEN=TOKEN, SQLALCHEMY_DATABASE_URI="mysql://app:x@127.0.0.1:1/none")
    page = app.test_client().get("/metrics", headers=BEARER).text

    assert ("flaskauth_database_up 0.0" in page, "flaskauth_processes 1.0" in page) == (True, True)
    assert "outbox" not in page
