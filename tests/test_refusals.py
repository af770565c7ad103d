"""Wrong methods and addresses, the order in which a request is refused, and what every answer carries."""

import re
from collections import defaultdict

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.calling import Caller, looked_at
from tests.conftest import MakeApp
from tests.inside import refused
from tests.people import HERE, People, bearer, network
from tests.registration.asking import GRACE_AT, elsewhere, wrong_tries
from tests.routes import routes
from tests.tables import contents

from flaskauth.foundation.limits import limited

EVERY_METHOD = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "FOO"}
NOT_ALLOWED, NOT_FOUND = (405, "method_not_allowed"), (404, "not_found")
NOWHERE = (
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
CACHED = {"/countries", "/regions", "/.well-known/jwks.json", "/openapi.json", "/docs/init.js"}
SANE_ID = re.compile(r"[0-9a-f]{32}")


def test_a_method_that_an_address_does_not_know_is_told_which_it_knows(app: Flask, client: FlaskClient) -> None:
    known: dict[str, set[str]] = defaultdict(set)
    for route in routes(app):
        known[route.path] |= {route.method, "OPTIONS", *(["HEAD"] if route.method == "GET" else [])}
    before = contents(app)

    for path, methods in known.items():
        for method in EVERY_METHOD - methods:
            answer = looked_at(client.open(path, method=method, headers=network(elsewhere())))
            assert set(answer.headers["Allow"].split(", ")) == methods, f"{method} {path}"
            assert answer.status_code == 405
            assert method == "HEAD" or refused(answer) == NOT_ALLOWED
    assert contents(app) == before


def test_an_address_that_is_not_there_is_not_found_by_any_method(client: FlaskClient) -> None:
    for path in NOWHERE:
        for method in ("GET", "POST", "DELETE", "TRACE", "FOO"):
            answer = looked_at(client.open(path, method=method, headers=network(elsewhere())))
            assert refused(answer) == NOT_FOUND, f"{method} {path}"


def test_no_answer_sends_anybody_to_the_host_that_a_request_names(app: Flask, client: FlaskClient) -> None:
    for host in ("evil.example", "evil.example:99999", "a@b", "ev il", "", "[::1", "x" * 300, "127.0.0.1"):
        for path in ("", "//hello", "/hello", "/auth//login", "/", "/docs", "/openapi.json", "/nope"):
            answer = looked_at(client.get("/", headers={"Host": host}, environ_overrides={"PATH_INFO": path}))
            assert answer.status_code in {200, 400, 404}, f"{host} {path}"
            assert "Location" not in answer.headers
            assert "evil" not in answer.text + str(answer.headers)


def test_numbers_in_an_address_may_be_of_any_size(people: People) -> None:
    token = people.joined().signed_in()["token"]
    for number in ("0", "1", str(2**53), str(2**63), str(2**64), "9" * 400):
        answer = people.client.delete(f"/auth/sessions/{number}", headers=bearer(token))
        assert refused(looked_at(answer)) == NOT_FOUND, number


def test_who_is_not_signed_in_is_told_so_whatever_the_body(app: Flask, client: FlaskClient) -> None:
    for route in routes(app):
        if route.access == "guarded":
            for headers, message in (({}, "Authorization token required"), (bearer("x.y.z"), "Invalid token")):
                answer = client.open(
                    route.path, method=route.method, data=b"[" * 70_000, content_type="x/y", headers=headers
                )
                assert refused(looked_at(answer)) == (401, "invalid_token"), route
                assert answer.get_json()["message"] == message


def test_a_network_that_asks_too_often_is_told_so_before_anything_else(client: FlaskClient) -> None:
    busy = {"headers": network(HERE), "data": b"[" * 70_000, "content_type": "x/y"}
    for path, limit, first in (("/auth/reauthenticate", 30, 401), ("/auth/register", 10, 413)):
        statuses = [client.post(path, **busy).status_code for _ in range(limit)]
        assert statuses == [first] * limit
        last = client.post(path, **busy)
        assert refused(looked_at(last)) == (429, "too_many_requests")
        assert 0 < last.get_json()["retry_after"] <= 60
        assert refused(client.get(path, headers=network(HERE))) == NOT_ALLOWED
        assert client.post(path, **{**busy, "headers": network(elsewhere())}).status_code == first


def test_a_request_that_lost_a_race_and_is_run_again_counts_once(app: Flask) -> None:
    races = iter([IntegrityError("INSERT", None, Exception()), DBAPIError("COMMIT", None, Exception(1213)), None])

    @limited("1/minute")
    def view() -> dict[str, bool]:
        if lost := next(races):
            raise lost
        return {"won": True}

    app.add_url_rule("/race", view_func=view)
    client = app.test_client()
    assert client.get("/race").get_json() == {"won": True}
    assert client.get("/race").status_code == 429


def test_size_then_kind_then_json_then_fields(client: FlaskClient) -> None:
    def post(data: bytes, kind: str) -> int:
        return client.post("/auth/verify", data=data, content_type=kind, headers=network(elsewhere())).status_code

    assert post(b"[" * 70_000, "x/y") == 413
    assert post(b"[", "x/y") == 415
    assert post(b'{"otp": 1,', "application/json") == 400
    assert post(b'{"otp": 1}', "application/json") == 422


def test_fields_come_before_guess_budgets(people: People) -> None:
    people.pending()
    assert wrong_tries(people.client, 6, email=GRACE_AT)[-1] == 429

    for body in ({"email": GRACE_AT}, {"email": GRACE_AT, "otp": 1}, {"email": GRACE_AT, "otp": "x", "more": 1}):
        assert refused(people.client.post("/auth/verify", json=body, headers=network(HERE))) == (422, "invalid_input")


def test_what_may_be_kept_and_what_may_not(app: Flask, people: People) -> None:
    caller = Caller.joined(people)
    for route in routes(app):
        if route.method == "GET":
            kept = caller.send(route, content_type=None).headers["Cache-Control"]
            assert ("max-age=" in kept, "no-store" in kept) == (route.path in CACHED, route.path not in CACHED), route
    assert people.client.get("/.well-known/jwks.json").headers["Cache-Control"] == "public, max-age=600"


@pytest.mark.parametrize(("url", "told"), [("https://auth.example.com", True), ("http://localhost:5000", False)])
def test_browsers_are_told_to_stay_with_https_where_it_is_served(make_app: MakeApp, url: str, told: bool) -> None:
    client = make_app(PUBLIC_URL=url).test_client()

    for path in ("/hello", "/nope"):
        assert ("Strict-Transport-Security" in client.get(path).headers) == told


def test_a_sane_request_id_is_kept_and_any_other_is_made_anew(client: FlaskClient) -> None:
    for given in ("a", "A-z_0.9", "x" * 64):
        assert client.get("/nope", headers={"X-Request-ID": given}).get_json()["request_id"] == given

    made = set()
    insane = ("", " ", "a b", "x" * 65, "a\tb", "<script>", "é", "a\x0bb", "a,b", '"}', "a;b")
    for given in insane:
        answer = looked_at(client.get("/nope", headers={"X-Request-ID": given}))
        assert SANE_ID.fullmatch(answer.get_json()["request_id"]), given
        made.add(answer.headers["X-Request-ID"])
    assert len(made) == len(insane)
