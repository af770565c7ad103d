"""Signed with our own key, and still not to be believed: another issuer, audience, time, person or session."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.inside import refused
from tests.keys.forging import LEFT_OUT, Target
from tests.keys.reading import Json, claims

from flaskauth.foundation import clock

CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid"]
WRONG_TYPES: list[Any] = [None, True, "", "soon", [], {}, -1, 1e400, 10**400]
OURS = "http://localhost:5000"


def now() -> int:
    return int(clock.now().timestamp())


def other(target: Target, name: str) -> Any:
    return claims(target.others["token"])[name]


def without(name: str) -> Callable[[Target], Json]:
    return lambda _: {name: LEFT_OUT}


CHANGES: dict[str, Callable[[Target], Json]] = {
    **{f"without {name}": without(name) for name in CLAIMS},
    "expired this second": lambda _: {"exp": now()},
    "expired long ago": lambda _: {"exp": 1},
    "expired, and long in use": lambda _: {"exp": now() - 1, "iat": now() - 601},
    "an end beyond all calendars": lambda _: {"exp": 10**18},
    "made a minute from now": lambda _: {"iat": now() + 60},
    "not to be used yet": lambda _: {"nbf": now() + 60},
    "another issuer": lambda _: {"iss": "https://evil.example"},
    "an issuer with a slash": lambda _: {"iss": f"{OURS}/"},
    "an issuer that begins like ours": lambda _: {"iss": f"{OURS}.evil.example"},
    "a part of our issuer": lambda _: {"iss": OURS[:-1]},
    "a list of issuers": lambda _: {"iss": [OURS]},
    "another audience": lambda _: {"aud": "https://api.example.com"},
    "an audience that begins like ours": lambda _: {"aud": f"{OURS}0"},
    "a part of our audience": lambda _: {"aud": OURS[:-1]},
    "audiences without ours": lambda _: {"aud": ["https://api.example.com"]},
    "an audience in an object": lambda _: {"aud": {OURS: True}},
    "a person who is not there": lambda _: {"sub": "1"},
    "another person": lambda target: {"sub": other(target, "sub")},
    "another session": lambda target: {"sid": other(target, "sid")},
    "a session that is not there": lambda _: {"sid": "1"},
    "a session beyond all numbers": lambda _: {"sid": "9" * 30},
    "a person beyond all numbers": lambda _: {"sub": "9" * 5000},
    "a person as a number": lambda target: {"sub": int(target.claims()["sub"])},
    "a session as a number": lambda target: {"sid": int(target.claims()["sid"])},
    "a person with white space": lambda target: {"sub": f" {target.claims()['sub']} "},
    "a session with a sign": lambda target: {"sid": f"+{target.claims()['sid']}"},
    "a statement": lambda _: {"sub": "1 OR 1=1"},
    "freshness that is no time": lambda _: {"fresh_until": "tomorrow"},
    "freshness without end": lambda _: {"fresh_until": 1e400},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_token_that_says_something_else_is_refused(target: Target, changes: Callable[[Target], Json]) -> None:
    forged = target.signed(payload=target.claims(**changes(target)))

    assert refused(target.is_shown(forged)) == (401, "invalid_token")


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "sid", "nbf"])
def test_claims_of_another_type_are_refused(target: Target, name: str) -> None:
    for value in WRONG_TYPES:
        if name in {"iat", "nbf"} and value in (True, -1):
            continue  # that was long ago
        answer = target.is_shown(target.signed(payload=target.claims(**{name: value})))
        assert refused(answer) == (401, "invalid_token"), value


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"[" * 30_000, b"1"])
def test_a_payload_that_is_no_object_is_refused(target: Target, payload: bytes) -> None:
    forged = target.signed(payload=payload or b" ")

    assert refused(target.is_shown(forged)) == (401, "invalid_token")


def test_what_a_later_version_adds_is_no_fault(target: Target) -> None:
    assert target.is_shown(target.signed(payload=target.claims(amr=["pwd"]))).status_code == 200


def test_a_clock_that_is_half_a_minute_ahead_is_no_fault(target: Target) -> None:
    assert target.is_shown(target.signed(payload=target.claims(iat=now() + 25))).status_code == 200
