"""Error responses: unknown paths and methods, the order of checks, and headers that every response has."""

import re
from collections import defaultdict

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.conftest import MakeApp
from tests.registration.helpers import GRACE_EMAIL, submit_wrong_codes, unused_ip
from tests.support.api_client import ApiClient, assert_safe_response
from tests.support.db_snapshot import table_contents
from tests.support.inspect import error_of
from tests.support.route_catalog import all_routes
from tests.support.users import CLIENT_IP, UserFactory, bearer, forwarded_for

from flaskauth.core.http.request_limits import rate_limit

EVERY_METHOD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO"}
NOT_ALLOWED, NOT_FOUND = (405, "method_not_allowed"), (404, "not_found")
UNKNOWN_PATHS = (
    *(
        "/nope",
        "/auth",
        "/auth/",
        "/auth/login/",
        "/auth//login",
        "/AUTH/login",
        "/auth/login.json",
        "/users/2",
        "/.env",
    ),
    *("/users/profile/a.css", "/users/profile%2fa.js", "/users/profile;x.css", "/hello%0d%0aX:1", "/hello%00", "/%ff"),
    *(
        "/auth/sessions/abc",
        "/auth/sessions/-1",
        "/auth/sessions/1.0",
        "/static/x",
        "/docs/../app.py",
        "/" + "a" * 5000,
    ),
)
CACHEABLE_PATHS = {
    "/countries",
    "/regions",
    "/.well-known/jwks.json",
    "/openapi.json",
    "/docs/docs.css",
    "/docs/init.js",
}
GENERATED_ID = re.compile(r"[0-9a-f]{32}")


def test_method_not_allowed_returns_405_with_allow_header(app: Flask, client: FlaskClient) -> None:
    allowed: dict[str, set[str]] = defaultdict(set)
    for route in all_routes(app):
        allowed[route.path] |= {route.method, "OPTIONS", *(["HEAD"] if route.method == "GET" else [])}
    before = table_contents(app)

    for path, methods in allowed.items():
        for method in EVERY_METHOD - methods:
            response = assert_safe_response(client.open(path, method=method, headers=forwarded_for(unused_ip())))
            assert set(response.headers["Allow"].split(", ")) == methods, f"{method} {path}"
            assert response.status_code == 405
            assert method == "HEAD" or error_of(response) == NOT_ALLOWED
    assert table_contents(app) == before


def test_unknown_path_returns_404_for_any_method(client: FlaskClient) -> None:
    for path in UNKNOWN_PATHS:
        for method in ("GET", "POST", "DELETE", "TRACE", "FOO"):
            response = assert_safe_response(client.open(path, method=method, headers=forwarded_for(unused_ip())))
            assert error_of(response) == NOT_FOUND, f"{method} {path}"


def test_host_header_injection_causes_no_redirect(app: Flask, client: FlaskClient) -> None:
    for host in ("evil.example", "evil.example:99999", "a@b", "ev il", "", "[::1", "x" * 300, "127.0.0.1"):
        for path in ("", "//hello", "/hello", "/auth//login", "/", "/docs", "/openapi.json", "/nope"):
            response = assert_safe_response(
                client.get("/", headers={"Host": host}, environ_overrides={"PATH_INFO": path})
            )
            assert response.status_code in {200, 400, 404}, f"{host} {path}"
            assert "Location" not in response.headers
            assert "evil" not in response.text + str(response.headers)


def test_session_id_of_any_size_returns_404(users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    for number in ("0", "1", str(2**53), str(2**63), str(2**64), "9" * 400):
        response = users.client.delete(f"/auth/sessions/{number}", headers=bearer(token))
        assert error_of(assert_safe_response(response)) == NOT_FOUND, number


def test_guarded_route_without_token_returns_401_first(app: Flask, client: FlaskClient) -> None:
    for route in all_routes(app):
        if route.access == "guarded":
            for headers, message in (({}, "Authorization token required"), (bearer("x.y.z"), "Invalid token")):
                response = client.open(
                    route.path, method=route.method, data=b"[" * 70_000, content_type="x/y", headers=headers
                )
                assert error_of(assert_safe_response(response)) == (401, "invalid_token"), route
                assert response.get_json()["message"] == message


def test_rate_limit_exceeded_returns_429_before_other_errors(client: FlaskClient) -> None:
    request = {"headers": forwarded_for(CLIENT_IP), "data": b"[" * 70_000, "content_type": "x/y"}
    for path, limit, status in (("/auth/resend", 60, 413), ("/auth/verify", 120, 413)):
        statuses = [client.post(path, **request).status_code for _ in range(limit)]
        assert statuses == [status] * limit
        last = client.post(path, **request)
        assert error_of(assert_safe_response(last)) == (429, "too_many_requests")
        assert 0 < last.get_json()["retry_after"] <= 60
        assert error_of(client.get(path, headers=forwarded_for(CLIENT_IP))) == NOT_ALLOWED
        assert client.post(path, **{**request, "headers": forwarded_for(unused_ip())}).status_code == status


def test_rate_limit_counts_a_retried_request_once(make_app: MakeApp) -> None:
    app = make_app(RATE_LIMIT_DEFAULT="1/minute")
    errors = iter([IntegrityError("INSERT", None, Exception()), DBAPIError("COMMIT", None, Exception(1213)), None])

    @rate_limit()
    def view() -> dict[str, bool]:
        if error := next(errors):
            raise error
        return {"success": True}

    app.add_url_rule("/retried", view_func=view)
    client = app.test_client()
    assert client.get("/retried").get_json() == {"success": True}
    assert client.get("/retried").status_code == 429


def test_body_is_checked_for_size_type_json_then_fields(client: FlaskClient) -> None:
    def post(data: bytes, kind: str) -> int:
        return client.post("/auth/verify", data=data, content_type=kind, headers=forwarded_for(unused_ip())).status_code

    assert post(b"[" * 70_000, "x/y") == 413
    assert post(b"[", "x/y") == 415
    assert post(b'{"otp": 1,', "application/json") == 400
    assert post(b'{"otp": 1}', "application/json") == 422


def test_field_validation_precedes_attempt_rate_limit(users: UserFactory) -> None:
    users.register()
    assert submit_wrong_codes(users.client, 6, email=GRACE_EMAIL)[-1] == 429

    for body in (
        {"email": GRACE_EMAIL},
        {"email": GRACE_EMAIL, "otp": 1},
        {"email": GRACE_EMAIL, "otp": "x", "unknown": 1},
    ):
        assert error_of(users.client.post("/auth/verify", json=body, headers=forwarded_for(CLIENT_IP))) == (
            422,
            "validation_failed",
        )


def test_cache_control_allows_caching_only_of_public_data(app: Flask, users: UserFactory) -> None:
    api_client = ApiClient.authenticated(users)
    for route in all_routes(app):
        if route.method == "GET":
            cache_control = api_client.send(route, content_type=None).headers["Cache-Control"]
            assert ("max-age=" in cache_control, "no-store" in cache_control) == (
                route.path in CACHEABLE_PATHS,
                route.path not in CACHEABLE_PATHS,
            ), route
    assert users.client.get("/.well-known/jwks.json").headers["Cache-Control"] == "public, max-age=600"


@pytest.mark.parametrize(("url", "is_sent"), [("https://auth.example.com", True), ("http://localhost:5000", False)])
def test_hsts_header_is_sent_only_with_https_public_url(make_app: MakeApp, url: str, is_sent: bool) -> None:
    client = make_app(PUBLIC_URL=url).test_client()

    for path in ("/hello", "/nope"):
        assert ("Strict-Transport-Security" in client.get(path).headers) == is_sent


def test_request_id_valid_is_kept_invalid_is_replaced(client: FlaskClient) -> None:
    for valid in ("a", "A-z_0.9", "x" * 64):
        assert client.get("/nope", headers={"X-Request-ID": valid}).get_json()["request_id"] == valid

    generated_ids = set()
    invalid_ids = ("", " ", "a b", "x" * 65, "a\tb", "<script>", "é", "a\x0bb", "a,b", '"}', "a;b")
    for invalid in invalid_ids:
        response = assert_safe_response(client.get("/nope", headers={"X-Request-ID": invalid}))
        assert GENERATED_ID.fullmatch(response.get_json()["request_id"]), invalid
        generated_ids.add(response.headers["X-Request-ID"])
    assert len(generated_ids) == len(invalid_ids)
