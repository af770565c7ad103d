"""GET /health/live and /health/ready: status, checks, time limits and access to the details."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from tests.health.conftest import CreateClient

from flaskauth.core import clock, shutdown
from flaskauth.core.db.session import db
from flaskauth.mail.models import QUEUED, SENT, OutboxMail

TOKEN = "a-token-for-metrics"
UNREACHABLE_DATABASE = "mysql://app:x@127.0.0.1:1/none"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of a server that accepts connections and never sends a byte."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        yield listener.getsockname()[1]


def readiness_checks(client: FlaskClient) -> dict[str, Any]:
    checks: dict[str, Any] = client.get("/health/ready").get_json()["checks"]
    return checks


def insert_mail(client: FlaskClient, *, late: timedelta, state: str = QUEUED) -> None:
    now = clock.now()
    with client.application.app_context():
        mail = OutboxMail(
            id=1,
            template="package/name",
            recipient="ada@example.com",
            context={},
            locale="en",
            state=state,
            created_at=now - late,
            next_attempt_at=now - late,
            expires_at=now,
            leased_until=now + timedelta(hours=1),  # no job delivers or discards it meanwhile
            message_id="<1@example.com>",
        )
        db.session.add(mail)
        db.session.commit()


def test_liveness_returns_200(create_client: CreateClient) -> None:
    response = create_client().get("/health/live")

    assert response.status_code == 200
    assert response.get_json() == {"status": "Success", "success": True, "message": "Alive"}


def test_liveness_without_database_returns_200(create_client: CreateClient) -> None:
    assert (
        create_client(tables=False, SQLALCHEMY_DATABASE_URI=UNREACHABLE_DATABASE).get("/health/live").status_code == 200
    )


def test_readiness_all_checks_ok_returns_200(create_client: CreateClient) -> None:
    response = create_client().get("/health/ready")
    body = response.get_json()

    assert response.status_code == 200
    assert (body["message"], body["ready"], body["degraded"]) == ("Ready", True, [])
    assert {name: check["ok"] for name, check in body["checks"].items()} == dict.fromkeys(
        ["database", "schema", "clock", "outbox", "broker", "draining"], True
    )


def test_readiness_database_down_returns_503(create_client: CreateClient) -> None:
    response = create_client(tables=False, SQLALCHEMY_DATABASE_URI=UNREACHABLE_DATABASE).get("/health/ready")
    body = response.get_json()

    assert response.status_code == 503
    assert (body["code"], body["success"], body["ready"]) == ("unavailable", False, False)
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert str(body["retry_after"]) == response.headers["Retry-After"]
    assert not body["checks"]["database"]["ok"]
    assert "cannot connect to the database server" in body["checks"]["database"]["detail"]
    assert body["checks"]["broker"]["ok"]


def test_readiness_details_hide_address_and_password(create_client: CreateClient) -> None:
    body = create_client(tables=False, SQLALCHEMY_DATABASE_URI=UNREACHABLE_DATABASE).get("/health/ready").text

    assert "127.0.0.1" not in body
    assert "@" not in body


def test_readiness_silent_database_returns_503_in_time(create_client: CreateClient, silent_port: int) -> None:
    client = create_client(tables=False, SQLALCHEMY_DATABASE_URI=f"mysql://app:x@127.0.0.1:{silent_port}/none")
    started = time.monotonic()
    response = client.get("/health/ready")

    assert time.monotonic() - started < 8
    assert response.status_code == 503
    assert response.get_json()["checks"]["database"] == {"ok": False, "detail": "timeout"}


def test_readiness_missing_schema_returns_503(create_client: CreateClient) -> None:
    client = create_client(tables=False)

    assert client.get("/health/ready").status_code == 503
    assert {name for name, check in readiness_checks(client).items() if not check["ok"]} == {"schema", "outbox"}


@pytest.mark.parametrize(("revision", "status"), [("9999", 200), ("0001", 503)])
def test_readiness_newer_schema_is_ok_older_returns_503(
    create_client: CreateClient, revision: str, status: int
) -> None:
    client = create_client()
    with client.application.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        db.session.commit()
    response = client.get("/health/ready")

    assert response.status_code == status
    assert (status == 200) == ("newer" in response.get_json()["checks"]["schema"]["detail"])


def test_readiness_while_draining_returns_503(create_client: CreateClient) -> None:
    client = create_client()
    shutdown.start_draining(client.application)

    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_readiness_without_broker_is_degraded(create_client: CreateClient) -> None:
    response = create_client(REDIS_URL="redis://127.0.0.1:1/0").get("/health/ready")

    assert (response.status_code, response.get_json()["degraded"]) == (200, ["broker"])


def test_readiness_silent_broker_is_degraded_in_time(create_client: CreateClient, silent_port: int) -> None:
    client = create_client(REDIS_URL=f"redis://127.0.0.1:{silent_port}/0")
    started = time.monotonic()
    response = client.get("/health/ready")

    assert time.monotonic() - started < 8
    assert (response.status_code, response.get_json()["degraded"]) == (200, ["broker"])


@pytest.mark.usefixtures("stopped_clock")
def test_readiness_late_outbox_mail_is_degraded(create_client: CreateClient) -> None:
    client = create_client()
    insert_mail(client, late=timedelta(seconds=61))

    assert client.get("/health/ready").get_json()["degraded"] == ["outbox"]
    assert readiness_checks(client)["outbox"]["detail"] == "61 s late"


@pytest.mark.parametrize(
    ("late", "state"), [(timedelta(seconds=30), QUEUED), (timedelta(hours=1), SENT), (-timedelta(hours=1), QUEUED)]
)
def test_readiness_recent_sent_or_future_mail_is_ok(create_client: CreateClient, late: timedelta, state: str) -> None:
    client = create_client()
    insert_mail(client, late=late, state=state)

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
def test_readiness_details_are_hidden_behind_proxy(create_client: CreateClient, headers: dict[str, str]) -> None:
    response = create_client(METRICS_TOKEN=TOKEN).get("/health/ready", headers={"Via": "a proxy", **headers})

    assert response.status_code == 200
    assert set(response.get_json()) == {"status", "success", "message", "ready", "degraded"}


def test_readiness_details_in_production_need_the_token(create_client: CreateClient) -> None:
    client = create_client(
        FLASKAUTH_ENV="production",
        SECRET_KEY="9QJ0dYBt3rC8mKxV5nPzL2sWfHgT7aUe",
        MAIL_SERVER="localhost",
        METRICS_TOKEN=TOKEN,
    )

    assert "checks" not in client.get("/health/ready").get_json()
    assert "checks" in client.get("/health/ready", headers={"Authorization": f"Bearer {TOKEN}"}).get_json()
