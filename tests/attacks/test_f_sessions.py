"""F: refresh tokens that are forged, widened, spelled otherwise or somebody else's, and signing out."""

from typing import Any

from tests.attacks.judging import Judge
from tests.inside import refused
from tests.people import bearer, network
from tests.registration.asking import elsewhere
from werkzeug.test import TestResponse

OVER, INVALID = (401, "signed_out"), (422, "invalid_input")


def trades(judge: Judge, refresh_token: Any, **more: Any) -> TestResponse:
    body = {"refresh_token": refresh_token, **more}
    return judge.client.post("/auth/refresh", json=body, headers=network(elsewhere()))


def test_f01_an_old_token_that_comes_again(judge: Judge) -> None:
    first = judge.joined().signed_in(elsewhere())["refresh_token"]
    newest = first
    for _ in range(2):
        newest = trades(judge, newest).get_json()["refresh_token"]
    with judge.case({"sessions", "outbox"}, hashed=0, mails=1, events={"refresh_token_reused"}):
        assert [refused(trades(judge, token)) for token in (first, newest, first)] == [OVER] * 3


def test_f07_tokens_that_are_no_text(judge: Judge) -> None:
    with judge.case(hashed=0):
        for token in (0, 1, True, False, None, [], [""], {}, {"$gt": ""}, 1.5, ""):
            assert refused(trades(judge, token)) == INVALID, token
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
            assert refused(trades(judge, token)) in (OVER, INVALID), token


def test_f11_more_than_the_session_may(judge: Judge) -> None:
    token = judge.joined().signed_in(elsewhere())["refresh_token"]
    with judge.case(hashed=0):
        for name in ("scope", "role", "aud", "client_id", "sub", "fresh_until", "expired_at", "grant_type"):
            assert refused(trades(judge, token, **{name: "admin"})) == INVALID, name


def test_f13_a_token_in_other_letters(judge: Judge) -> None:
    token = judge.joined().signed_in(elsewhere())["refresh_token"]
    number, generation, mac = token.split(".")
    spelled = (
        f"{number}.{generation}.{mac.swapcase()}",
        f"{number}.{generation}.{mac.lower()}",
        f"0{token}",
        f"+{token}",
    )
    more = (f" {token}", f"{token} ", f"{token}=", f"{number}.0{generation}.{mac}", f"{number}.{generation}.{mac[:-1]}")
    with judge.case(hashed=0):
        for other in (*spelled, *more, f"{number}.2.{mac}", f"{int(number) + 1}.{generation}.{mac}", token + "\u200b"):
            assert refused(trades(judge, other)) == OVER, other


def test_f15_signing_out_with_what_is_no_session_of_ones_own(judge: Judge) -> None:
    ada, eve = (judge.joined(email).signed_in(elsewhere()) for email in ("ada@example.com", "eve@example.com"))
    with judge.case({"sessions"}, hashed=0, events={"signed_out"}):
        for _ in range(2):
            answer = judge.client.post("/auth/logout", json={"refresh_token": ada["refresh_token"]})
            assert answer.status_code == 200
    with judge.case(hashed=0):
        for token in ("1.1.AAAA", "x", "9" * 100, ada["refresh_token"].upper()):
            assert judge.client.post("/auth/logout", json={"refresh_token": token}).status_code == 200
        assert judge.client.post("/auth/logout", headers=bearer("x.y.z")).status_code == 401
        other = eve["refresh_token"].partition(".")[0]
        answer = judge.client.delete(f"/auth/sessions/{other}", headers=bearer(judge.caller.token))
        assert refused(answer) == (404, "not_found")


def test_f19_tokens_in_addresses_and_referers(judge: Judge) -> None:
    tokens = judge.joined().signed_in(elsewhere())
    judge.secrets |= {tokens["token"], tokens["refresh_token"]}
    headers = {"Referer": f"https://evil.example/?t={tokens['refresh_token']}", "User-Agent": tokens["token"]}
    with judge.case(hashed=0):
        for path in ("/auth/refresh", "/auth/logout", "/users/profile", "/nope", f"/{tokens['refresh_token']}"):
            for method in ("GET", "POST"):
                answer = judge.client.open(path, method=method, query_string=tokens, headers=headers)
                assert answer.status_code in {401, 404, 405, 415, 422}, f"{method} {path}"
