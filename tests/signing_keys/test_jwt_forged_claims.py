"""Tokens with a valid signature and a wrong issuer, audience, time, user or session are rejected."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.signing_keys.forgery import OMITTED, ForgeryTarget
from tests.signing_keys.helpers import Json, decode_claims
from tests.support.inspect import error_of

from flaskauth.core import clock

REQUIRED_CLAIMS = ["iss", "aud", "sub", "client_id", "iat", "exp", "auth_time", "jti", "sid"]
WRONG_TYPES: list[Any] = [None, True, "", "soon", [], {}, -1, 1e400, 10**400]
ISSUER = "http://localhost:5000"


def now() -> int:
    return int(clock.now().timestamp())


def claim_of_other_user(target: ForgeryTarget, name: str) -> Any:
    return decode_claims(target.other_tokens["token"])[name]


def without_claim(name: str) -> Callable[[ForgeryTarget], Json]:
    return lambda _: {name: OMITTED}


WRONG_CLAIMS: dict[str, Callable[[ForgeryTarget], Json]] = {
    **{f"without {name}": without_claim(name) for name in REQUIRED_CLAIMS},
    "expired this second": lambda _: {"exp": now()},
    "expired long ago": lambda _: {"exp": 1},
    "expired and issued 10 minutes ago": lambda _: {"exp": now() - 1, "iat": now() - 601},
    "an expiry out of range": lambda _: {"exp": 10**18},
    "issued in one minute": lambda _: {"iat": now() + 60},
    "not yet valid": lambda _: {"nbf": now() + 60},
    "a different issuer": lambda _: {"iss": "https://evil.example"},
    "an issuer with a slash": lambda _: {"iss": f"{ISSUER}/"},
    "an issuer with the server's as prefix": lambda _: {"iss": f"{ISSUER}.evil.example"},
    "a prefix of the issuer": lambda _: {"iss": ISSUER[:-1]},
    "a list of issuers": lambda _: {"iss": [ISSUER]},
    "a different audience": lambda _: {"aud": "https://api.example.com"},
    "an audience with the server's as prefix": lambda _: {"aud": f"{ISSUER}0"},
    "a prefix of the audience": lambda _: {"aud": ISSUER[:-1]},
    "a list of other audiences": lambda _: {"aud": ["https://api.example.com"]},
    "an audience in an object": lambda _: {"aud": {ISSUER: True}},
    "an unknown user": lambda _: {"sub": "1"},
    "a different user": lambda target: {"sub": claim_of_other_user(target, "sub")},
    "a session of a different user": lambda target: {"sid": claim_of_other_user(target, "sid")},
    "an unknown session": lambda _: {"sid": "1"},
    "a session out of range": lambda _: {"sid": "9" * 30},
    "a user out of range": lambda _: {"sub": "9" * 5000},
    "a user as a number": lambda target: {"sub": int(target.claims_with()["sub"])},
    "a session as a number": lambda target: {"sid": int(target.claims_with()["sid"])},
    "a user with white space": lambda target: {"sub": f" {target.claims_with()['sub']} "},
    "a session with a sign": lambda target: {"sid": f"+{target.claims_with()['sid']}"},
    "an SQL injection": lambda _: {"sub": "1 OR 1=1"},
    "freshness as text": lambda _: {"fresh_until": "tomorrow"},
    "infinite freshness": lambda _: {"fresh_until": 1e400},
}


@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_jwt_with_wrong_claim_is_rejected(target: ForgeryTarget, changes: Callable[[ForgeryTarget], Json]) -> None:
    forged = target.sign(payload=target.claims_with(**changes(target)))

    assert error_of(target.get_profile(forged)) == (401, "invalid_token")


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp", "sid", "nbf"])
def test_jwt_with_wrong_claim_type_is_rejected(target: ForgeryTarget, name: str) -> None:
    for value in WRONG_TYPES:
        if name in {"iat", "nbf"} and value in (True, -1):
            continue  # a time in the past is valid for these claims
        response = target.get_profile(target.sign(payload=target.claims_with(**{name: value})))
        assert error_of(response) == (401, "invalid_token"), value


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"[" * 30_000, b"1"])
def test_jwt_with_non_object_payload_is_rejected(target: ForgeryTarget, payload: bytes) -> None:
    forged = target.sign(payload=payload or b" ")

    assert error_of(target.get_profile(forged)) == (401, "invalid_token")


def test_jwt_with_unknown_claim_is_accepted(target: ForgeryTarget) -> None:
    assert target.get_profile(target.sign(payload=target.claims_with(amr=["pwd"]))).status_code == 200


def test_jwt_issued_25_seconds_ahead_is_accepted(target: ForgeryTarget) -> None:
    assert target.get_profile(target.sign(payload=target.claims_with(iat=now() + 25))).status_code == 200
