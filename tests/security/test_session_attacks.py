"""F: forged, altered and reused refresh tokens; logout."""

from typing import Any

from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.users import bearer, forwarded_for
from werkzeug.test import TestResponse

INVALID_REFRESH_TOKEN, VALIDATION_FAILED = (401, "invalid_refresh_token"), (422, "validation_failed")


def post_refresh(checker: AttackChecker, refresh_token: Any, **extra: Any) -> TestResponse:
    body = {"refresh_token": refresh_token, **extra}
    return checker.client.post("/auth/refresh", json=body, headers=forwarded_for(unused_ip()))


def test_f01_refresh_token_reuse_revokes_session(checker: AttackChecker) -> None:
    oldest = checker.create_user().login_ok(unused_ip())["refresh_token"]
    newest = oldest
    for _ in range(2):
        newest = post_refresh(checker, newest).get_json()["refresh_token"]
    with checker.expect_only({"sessions", "outbox"}, hashes=0, mails=1, events={"refresh_token_reused"}):
        assert [error_of(post_refresh(checker, token)) for token in (oldest, newest, oldest)] == [
            INVALID_REFRESH_TOKEN
        ] * 3


def test_f07_malformed_refresh_tokens_are_rejected(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for token in (0, 1, True, False, None, [], [""], {}, {"$gt": ""}, 1.5, ""):
            assert error_of(post_refresh(checker, token)) == VALIDATION_FAILED, token
        for token in (
            "0",
            "0.0.",
            "..",
            "1.1.AAAA",
            "-1.1.x",
            "%",
            "' OR 1=1 --",
            "9" * 400,
            "1.1." + "A" * 43,
            "null",
        ):
            assert error_of(post_refresh(checker, token)) in (INVALID_REFRESH_TOKEN, VALIDATION_FAILED), token


def test_f11_refresh_cannot_widen_scope(checker: AttackChecker) -> None:
    token = checker.create_user().login_ok(unused_ip())["refresh_token"]
    with checker.expect_only(hashes=0):
        for name in ("scope", "role", "aud", "client_id", "sub", "fresh_until", "expired_at", "grant_type"):
            assert error_of(post_refresh(checker, token, **{name: "admin"})) == VALIDATION_FAILED, name


def test_f13_altered_refresh_token_is_rejected(checker: AttackChecker) -> None:
    token = checker.create_user().login_ok(unused_ip())["refresh_token"]
    number, generation, mac = token.split(".")
    respelled = (
        f"{number}.{generation}.{mac.swapcase()}",
        f"{number}.{generation}.{mac.lower()}",
        f"0{token}",
        f"+{token}",
    )
    extra = (
        f" {token}",
        f"{token} ",
        f"{token}=",
        f"{number}.0{generation}.{mac}",
        f"{number}.{generation}.{mac[:-1]}",
    )
    with checker.expect_only(hashes=0):
        for altered in (
            *respelled,
            *extra,
            f"{number}.2.{mac}",
            f"{int(number) + 1}.{generation}.{mac}",
            token + "\u200b",
        ):
            assert error_of(post_refresh(checker, altered)) == INVALID_REFRESH_TOKEN, altered


def test_f15_logout_is_idempotent_and_spares_other_sessions(checker: AttackChecker) -> None:
    ada, eve = (checker.create_user(email).login_ok(unused_ip()) for email in ("ada@example.com", "eve@example.com"))
    with checker.expect_only({"sessions"}, hashes=0, events={"signed_out"}):
        for _ in range(2):
            response = checker.client.post("/auth/logout", json={"refresh_token": ada["refresh_token"]})
            assert response.status_code == 200
    with checker.expect_only(hashes=0):
        for token in ("1.1.AAAA", "x", "9" * 100, ada["refresh_token"].upper()):
            assert checker.client.post("/auth/logout", json={"refresh_token": token}).status_code == 200
        assert checker.client.post("/auth/logout", headers=bearer("x.y.z")).status_code == 401
        altered = eve["refresh_token"].partition(".")[0]
        response = checker.client.delete(f"/auth/sessions/{altered}", headers=bearer(checker.api_client.token))
        assert error_of(response) == (404, "not_found")


def test_f19_tokens_in_urls_and_referers_are_not_logged(checker: AttackChecker) -> None:
    tokens = checker.create_user().login_ok(unused_ip())
    checker.secrets |= {tokens["token"], tokens["refresh_token"]}
    headers = {"Referer": f"https://evil.example/?t={tokens['refresh_token']}", "User-Agent": tokens["token"]}
    with checker.expect_only(hashes=0):
        for path in ("/auth/refresh", "/auth/logout", "/users/profile", "/nope", f"/{tokens['refresh_token']}"):
            for method in ("GET", "POST"):
                response = checker.client.open(path, method=method, query_string=tokens, headers=headers)
                assert response.status_code in {401, 404, 405, 415, 422}, f"{method} {path}"
