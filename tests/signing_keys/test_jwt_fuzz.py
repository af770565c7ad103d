"""Altered tokens are rejected, and none of them causes an unhandled exception."""

import json
from typing import Any

from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz.strategies import HEADER_VALUES
from tests.signing_keys.forgery import ForgeryTarget
from tests.support.inspect import error_of

from flaskauth.signing_keys import access_tokens
from flaskauth.signing_keys.access_tokens import AccessTokenClaims, InvalidToken

ALPHABET = "ABCXYZabcxyz0189-_.=+/ \n\x00é\ud800"
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from([2**53, 2**63, -1, 0, 10**400, 1e308, "1", " 1", "\u0661", "01", ["flaskauth"], {}]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def decode_or_none(app: Flask, token: str) -> AccessTokenClaims | None:
    with app.app_context():
        try:
            return access_tokens.decode(token)
        except InvalidToken:
            return None


@given(st.data())
def test_altered_jwt_is_rejected(target: ForgeryTarget, data: st.DataObject) -> None:
    token = target.token
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 4)))
    altered = token[:start] + data.draw(st.text(ALPHABET, max_size=4)) + token[end:]

    assert (decode_or_none(target.app, altered) is not None) == (altered == token)


@given(st.lists(st.sampled_from(["header", "payload", "signature", "other", "", ".", "e30", "bnVsbA"]), max_size=7))
def test_recombined_jwt_parts_are_rejected(target: ForgeryTarget, names: list[str]) -> None:
    parts = dict(zip(("header", "payload", "signature"), target.parts, strict=True))
    parts["other"] = str(target.other_tokens["token"]).split(".")[1]
    token = ".".join(parts.get(name, name) for name in names)

    assert (decode_or_none(target.app, token) is not None) == (token == target.token)


@given(st.text())
@example("\ud800.\ud800.\ud800")
@example("..")
def test_arbitrary_text_is_rejected_as_jwt(target: ForgeryTarget, text: str) -> None:
    assert decode_or_none(target.app, text) is None


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "sid", "iat", "exp", "nbf", "auth_time", "jti", "fresh_until"]), VALUES
    )
)
def test_signed_jwt_with_odd_claim_types_raises_no_error(target: ForgeryTarget, changes: dict[str, Any]) -> None:
    claims = decode_or_none(target.app, target.sign(payload=target.claims_with(**changes)))

    assert claims is None or (claims.is_fresh in {True, False} and claims.user_id > 0 and claims.session_id > 0)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jku", "crit", "b64", "zip", "x5u"]), VALUES))
def test_signed_jwt_with_altered_header_is_rejected(target: ForgeryTarget, changes: dict[str, Any]) -> None:
    header = target.header_with(**changes)

    assert (decode_or_none(target.app, target.sign(header)) is not None) == (header == target.header_with())


@given(st.binary(min_size=1, max_size=60), st.binary(min_size=1, max_size=60))
def test_signed_jwt_with_non_json_parts_is_rejected(target: ForgeryTarget, header: bytes, payload: bytes) -> None:
    assert decode_or_none(target.app, target.sign(header)) is None
    assert decode_or_none(target.app, target.sign(None, payload)) is None


@given(HEADER_VALUES)
def test_arbitrary_authorization_header_returns_401(target: ForgeryTarget, value: str) -> None:
    for text in (value, f"Bearer {value}"):
        response = target.app.test_client().get("/users/profile", headers={"Authorization": text})
        assert error_of(response) == (401, "invalid_token")


@given(VALUES)
def test_arbitrary_link_or_refresh_token_is_rejected(target: ForgeryTarget, value: Any) -> None:
    client = target.app.test_client()
    for path, name in (
        ("/auth/revert-email-change", "token"),
        ("/auth/report-sign-in", "token"),
        ("/auth/refresh", "refresh_token"),
    ):
        response = client.post(path, data=json.dumps({name: value}), content_type="application/json")
        assert response.status_code in {400, 401, 422, 429}, response.text
