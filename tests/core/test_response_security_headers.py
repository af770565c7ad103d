"""Every response has the security headers: error responses, data and HTML pages."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.core.test_hashing_pool import fill_pool
from tests.registration.helpers import unused_ip
from tests.support.api_client import API_CSP, JSON
from tests.support.inspect import error_of
from tests.support.users import forwarded_for, registration_form
from werkzeug.test import TestResponse

from flaskauth.core.db.session import db, dispose_engines
from flaskauth.core.jobs import background
from flaskauth.core.passwords import hashing

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

LOGIN = "/auth/login"
HTTPS = "https://auth.example.com"


def exceed_rate_limit(client: FlaskClient) -> TestResponse:
    headers = forwarded_for(unused_ip())
    responses = [client.post("/auth/register", json={}, headers=headers) for _ in range(61)]
    return responses[-1]


def trigger_overload(client: FlaskClient) -> TestResponse:
    pool = client.application.extensions[hashing.KEY]
    with fill_pool(pool, pool.max_queued):
        return client.post("/auth/register", json=registration_form(), headers=forwarded_for(unused_ip()))


def trigger_database_error(client: FlaskClient) -> TestResponse:
    app = client.application
    app.extensions[background.KEY].stop()
    with app.app_context():
        path = Path(db.engine.url.database or "")
        dispose_engines()
    path.rename(path.with_suffix(".moved"))
    path.mkdir()
    return client.get("/countries")


def trigger_unhandled_exception(client: FlaskClient) -> TestResponse:
    client.application.add_url_rule("/broken", view_func=raising_view)
    return client.get("/broken")


def raising_view() -> str:
    """A view that an embedding application could add."""
    raise ZeroDivisionError


ERROR_REQUESTS: dict[tuple[int, str], Callable[[FlaskClient], TestResponse]] = {
    (400, "bad_request"): lambda client: client.post(LOGIN, data=b"{", content_type=JSON),
    (401, "invalid_token"): lambda client: client.get("/users/profile"),
    (404, "not_found"): lambda client: client.get("/nothing"),
    (405, "method_not_allowed"): lambda client: client.delete(LOGIN),
    (413, "too_large"): lambda client: client.post(LOGIN, data=b" " * 70_000, content_type=JSON),
    (415, "unsupported_media_type"): lambda client: client.post(LOGIN, data=b"{}", content_type="text/plain"),
    (422, "validation_failed"): lambda client: client.post(LOGIN, json={}),
    (429, "too_many_requests"): exceed_rate_limit,
    (500, "internal_error"): trigger_unhandled_exception,
    (503, "overloaded"): trigger_overload,
    (503, "unavailable"): trigger_database_error,
}


@pytest.fixture
def client(make_app: MakeApp) -> FlaskClient:
    return make_app(PUBLIC_URL=HTTPS, DATABASE_POOL_SIZE="2").test_client()


def check_security_headers(response: TestResponse) -> TestResponse:
    headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert headers["X-Request-ID"]
    assert not {"Server", "X-Powered-By", "Set-Cookie"} & set(headers.keys())
    return response


@pytest.mark.parametrize("error", ERROR_REQUESTS, ids=lambda error: f"{error[0]}-{error[1]}")
def test_error_response_has_security_headers(client: FlaskClient, error: tuple[int, str]) -> None:
    response = check_security_headers(ERROR_REQUESTS[error](client))

    assert error_of(response) == error
    assert response.headers["Content-Security-Policy"] == API_CSP
    assert (response.headers["Content-Type"], response.headers["Cache-Control"]) == (JSON, "no-store")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_success_response_has_security_headers(client: FlaskClient, method: str) -> None:
    for path in ("/hello", "/health/live", "/countries", "/openapi.json", "/.well-known/jwks.json", "/"):
        response = check_security_headers(client.open(path, method=method))
        assert (response.status_code, response.headers["Content-Security-Policy"]) == (200, API_CSP), path


def test_html_page_csp_forbids_framing_and_unsafe_scripts(client: FlaskClient) -> None:
    response = check_security_headers(client.get("/docs"))
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))

    assert response.status_code == 200
    assert (policy["default-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'none'",) * 3
    assert "unsafe" not in policy.get("script-src", "")
