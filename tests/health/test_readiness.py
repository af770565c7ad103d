import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from tests.health.conftest import Serve

from flaskauth.foundation import clock, ending
from flaskauth.foundation.db import db
from flaskauth.mail.models import QUEUED, SENT, OutboxMail

TOKEN = "a-token-for-metrics"
AWAY = "mysql://app:x@127.0.0.1:1/none"


@pytest.fixture
def deaf() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


def checks(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/health/ready").get_json()["checks"]
    return found


def put_mail(client: FlaskClient, *, late: timedelta, state: str = QUEUED) -> None:
    now = clock.now()
    with client.application.app_context():
        mail = OutboxMail(
            id=1,
            template="room/name",
            recipient="ada@example.com",
            context={},
            locale="en",
            state=state,
            created_at=now - late,
            next_try_at=now - late,
            expires_at=now,
            message_id="<1@example.com>",
        )
        db.session.add(mail)
        db.session.commit()


def test_a_process_that_answers_is_alive(serve: Serve) -> None:
    answer = serve().get("/health/live")

    assert answer.status_code == 200
    assert answer.get_json() == {"status": "Success", "success": True, "message": "Alive"}


def test_it_is_alive_without_its_database(serve: Serve) -> None:
    assert serve(tables=False, SQLALCHEMY_DATABASE_URI=AWAY).get("/health/live").status_code == 200


def test_a_server_that_lacks_nothing_is_ready(serve: Serve) -> None:
    answer = serve().get("/health/ready")
    body = answer.get_json()

    assert answer.status_code == 200
    assert (body["message"], body["ready"], body["degraded"]) == ("Ready", True, [])
    assert {name: check["ok"] for name, check in body["checks"].items()} == dict.fromkeys(
        ["database", "schema", "clock", "outbox", "broker", "draining"], True
    )


def test_a_database_that_is_away_makes_it_not_ready(serve: Serve) -> None:
    answer = serve(tables=False, SQLALCHEMY_DATABASE_URI=AWAY).get("/health/ready")
    body = answer.get_json()

    assert answer.status_code == 503
    assert (body["code"], body["success"], body["ready"]) == ("unavailable", False, False)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert str(body["retry_after"]) == answer.headers["Retry-After"]
    assert not body["checks"]["database"]["ok"]
    assert "nobody answers there" in body["checks"]["database"]["detail"]
    assert body["checks"]["broker"]["ok"]


def test_its_details_name_no_address_and_no_password(serve: Serve) -> None:
    told = serve(tables=False, SQLALCHEMY_DATABASE_URI=AWAY).get("/health/ready").text

    assert "127.0.0.1" not in told
    assert "@" not in told


def test_a_database_that_never_answers_holds_nobody_up(serve: Serve, deaf: int) -> None:
    client = serve(tables=False, SQLALCHEMY_DATABASE_URI=f"mysql://app:x@127.0.0.1:{deaf}/none")
    begun = time.monotonic()
    answer = client.get("/health/ready")

    assert time.monotonic() - begun < 3.5
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["database"] == {"ok": False, "detail": "no answer in time"}


def test_a_schema_of_another_version_makes_it_not_ready(serve: Serve) -> None:
    client = serve(tables=False)

    assert client.get("/health/ready").status_code == 503
    assert {name for name, check in checks(client).items() if not check["ok"]} == {"schema", "outbox"}


@pytest.mark.parametrize(("stands", "status"), [("9999", 200), ("0001", 503)])
def test_it_serves_on_a_newer_schema_and_not_on_an_older(serve: Serve, stands: str, status: int) -> None:
    client = serve()
    with client.application.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = :stands"), {"stands": stands})
        db.session.commit()
    answer = client.get("/health/ready")

    assert answer.status_code == status
    assert (status == 200) == ("newer" in answer.get_json()["checks"]["schema"]["detail"])


def test_a_process_that_is_ending_is_not_ready(serve: Serve) -> None:
    client = serve()
    ending.begin(client.application)

    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_without_its_broker_it_is_ready_and_says_so(serve: Serve) -> None:
    answer = serve(REDIS_URL="redis://127.0.0.1:1/0").get("/health/ready")

    assert (answer.status_code, answer.get_json()["degraded"]) == (200, ["broker"])


def test_a_broker_that_never_answers_holds_nobody_up(serve: Serve, deaf: int) -> None:
    begun = time.monotonic()
    answer = serve(REDIS_URL=f"redis://127.0.0.1:{deaf}/0").get("/health/ready")

    assert time.monotonic() - begun < 2
    assert (answer.status_code, answer.get_json()["degraded"]) == (200, ["broker"])


def test_a_mail_that_waits_for_long_degrades_it(serve: Serve) -> None:
    client = serve()
    put_mail(client, late=timedelta(seconds=61))

    assert client.get("/health/ready").get_json()["degraded"] == ["outbox"]
    assert checks(client)["outbox"]["detail"] == "61 s late"


@pytest.mark.parametrize(
    ("late", "state"), [(timedelta(seconds=30), QUEUED), (timedelta(hours=1), SENT), (-timedelta(hours=1), QUEUED)]
)
def test_a_mail_that_is_young_sent_or_due_later_does_not(serve: Serve, late: timedelta, state: str) -> None:
    client = serve()
    put_mail(client, late=late, state=state)

    assert client.get("/health/ready").get_json()["degraded"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "auth.example.com"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer \xff"},
    ],
)
def test_details_are_for_operators(serve: Serve, headers: dict[str, str]) -> None:
    answer = serve(METRICS_TOKEN=TOKEN).get("/health/ready", headers={"Via": "a proxy", **headers})

    assert answer.status_code == 200
    assert set(answer.get_json()) == {"status", "success", "message", "ready", "degraded"}


def test_production_shows_them_to_who_brings_the_token(serve: Serve) -> None:
    client = serve(
        FLASKAUTH_ENV="production",
        SECRET_KEY="9QJ0dYBt3rC8mKxV5nPzL2sWfHgT7aUe",
        MAIL_SERVER="localhost",
        METRICS_TOKEN=TOKEN,
    )

    assert "checks" not in client.get("/health/ready").get_json()
    assert "checks" in client.get("/health/ready", headers={"Authorization": f"Bearer {TOKEN}"}).get_json()
