"""Every answer, whatever it is, carries the headers that keep a browser from making something of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.calling import JSON, POLICY
from tests.conftest import MakeApp
from tests.foundation.test_hashing_pool import full
from tests.inside import refused
from tests.people import form, network
from tests.registration.asking import elsewhere
from werkzeug.test import TestResponse

from flaskauth.foundation import hashing, jobs
from flaskauth.foundation.db import db, hang_up

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

LOGIN = "/auth/login"
HTTPS = "https://auth.example.com"
PAGES = ("/docs", "/auth/undo", "/auth/disown")


def too_often(client: FlaskClient) -> TestResponse:
    one = network(elsewhere())
    answers = [client.post(LOGIN, json={}, headers=one) for _ in range(31)]
    return answers[-1]


def overloaded(client: FlaskClient) -> TestResponse:
    pool = client.application.extensions[hashing.KEY]
    with full(pool, pool.most_waiting):
        return client.post("/auth/register", json=form(), headers=network(elsewhere()))


def without_database(client: FlaskClient) -> TestResponse:
    app = client.application
    app.extensions[jobs.KEY].stop()
    with app.app_context():
        path = Path(db.engine.url.database or "")
        hang_up()
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    return client.get("/countries")


def accident(client: FlaskClient) -> TestResponse:
    client.application.add_url_rule("/broken", view_func=broken)
    return client.get("/broken")


def broken() -> str:
    """A route of somebody else's."""
    raise ZeroDivisionError


REFUSALS: dict[tuple[int, str], Callable[[FlaskClient], TestResponse]] = {
    (400, "bad_request"): lambda client: client.post(LOGIN, data=b"{", content_type=JSON),
    (401, "invalid_token"): lambda client: client.get("/users/profile"),
    (404, "not_found"): lambda client: client.get("/nothing"),
    (405, "method_not_allowed"): lambda client: client.delete(LOGIN),
    (413, "too_large"): lambda client: client.post(LOGIN, data=b" " * 70_000, content_type=JSON),
    (415, "unsupported_media_type"): lambda client: client.post(LOGIN, data=b"{}", content_type="text/plain"),
    (422, "invalid_input"): lambda client: client.post(LOGIN, json={}),
    (429, "too_many_requests"): too_often,
    (500, "internal_error"): accident,
    (503, "overloaded"): overloaded,
    (503, "unavailable"): without_database,
}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return make_app(PUBLIC_URL=HTTPS, DATABASE_POOL_SIZE="2").test_client()


def decent(answer: TestResponse) -> TestResponse:
    headers = answer.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert headers["X-Request-ID"]
    assert not {"Server", "X-Powered-By", "Set-Cookie"} & set(headers.keys())
    return answer


@pytest.mark.parametrize("what", REFUSALS, ids=lambda what: f"{what[0]}-{what[1]}")
def test_a_refusal_is_read_by_nobody_as_anything_else(client: FlaskClient, what: tuple[int, str]) -> None:
    answer = decent(REFUSALS[what](client))

    assert refused(answer) == what
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (JSON, "no-store")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_so_is_an_answer(client: FlaskClient, method: str) -> None:
    for path in ("/hello", "/health/live", "/countries", "/openapi.json", "/.well-known/jwks.json", "/"):
        answer = decent(client.open(path, method=method))
        assert (answer.status_code, answer.headers["Content-Security-Policy"]) == (200, POLICY), path


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_what_is_ours_and_stands_in_no_frame(client: FlaskClient, path: str) -> None:
    answer = decent(client.get(path))
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))

    assert answer.status_code == 200
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'",) * 3
    assert "unsafe" not in policy.get("script-src", "")
