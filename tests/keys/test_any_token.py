"""Tokens that somebody altered: none but the one that was made opens anything, and none is an accident."""

import json
from typing import Any

from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from tests.fuzz.texts import HEADERS
from tests.inside import refused
from tests.keys.forging import Target

from flaskauth.keys import tokens
from flaskauth.keys.tokens import Claims, InvalidToken

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


def read(app: Flask, token: str) -> Claims | None:
    with app.app_context():
        try:
            return tokens.read(token)
        except InvalidToken:
            return None


@given(st.data())
def test_a_token_with_anything_changed_is_none(target: Target, data: st.DataObject) -> None:
    token = target.token
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 4)))
    altered = token[:start] + data.draw(st.text(ALPHABET, max_size=4)) + token[end:]

    assert (read(target.app, altered) is not None) == (altered == token)


@given(st.lists(st.sampled_from(["head", "payload", "signature", "other", "", ".", "e30", "bnVsbA"]), max_size=7))
def test_parts_of_tokens_put_together_otherwise_are_none(target: Target, names: list[str]) -> None:
    parts = dict(zip(("head", "payload", "signature"), target.parts, strict=True))
    parts["other"] = str(target.others["token"]).split(".")[1]
    token = ".".join(parts.get(name, name) for name in names)

    assert (read(target.app, token) is not None) == (token == target.token)


@given(st.text())
@example("\ud800.\ud800.\ud800")
@example("..")
def test_a_text_is_no_token(target: Target, text: str) -> None:
    assert read(target.app, text) is None


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "sid", "iat", "exp", "nbf", "auth_time", "jti", "fresh_until"]), VALUES
    )
)
def test_claims_of_odd_kinds_are_no_accident_even_where_we_sign_them(target: Target, changes: dict[str, Any]) -> None:
    found = read(target.app, target.signed(payload=target.claims(**changes)))

    assert found is None or (found.is_fresh in {True, False} and found.user_id > 0 and found.session_id > 0)


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "jku", "crit", "b64", "zip", "x5u"]), VALUES))
def test_a_header_that_says_anything_else_is_none(target: Target, changes: dict[str, Any]) -> None:
    head = target.header(**changes)

    assert (read(target.app, target.signed(head)) is not None) == (head == target.header())


@given(st.binary(min_size=1, max_size=60), st.binary(min_size=1, max_size=60))
def test_parts_that_hold_no_json_are_none(target: Target, head: bytes, payload: bytes) -> None:
    assert read(target.app, target.signed(head)) is None
    assert read(target.app, target.signed(None, payload)) is None


@given(HEADERS)
def test_whatever_the_header_holds_is_401(target: Target, value: str) -> None:
    for text in (value, f"Bearer {value}"):
        answer = target.app.test_client().get("/users/profile", headers={"Authorization": text})
        assert refused(answer) == (401, "invalid_token")


@given(VALUES)
def test_a_link_or_refresh_token_of_any_kind_is_refused(target: Target, value: Any) -> None:
    client = target.app.test_client()
    for path, name in (("/auth/undo", "token"), ("/auth/disown", "token"), ("/auth/refresh", "refresh_token")):
        answer = client.post(path, data=json.dumps({name: value}), content_type="application/json")
        assert answer.status_code in {400, 401, 422, 429}, answer.text
