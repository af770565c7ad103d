"""Requests that hold anything, to a server on SQLite: read strictly, answered in one shape, and never an accident."""

import json
import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote_from_bytes

from flask import Flask, request
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema, fields
from tests.calling import looked_at
from tests.fuzz.texts import HEADERS
from tests.inside import refused
from tests.people import bearer, network

from flaskauth.foundation import body
from flaskauth.foundation.errors import BadRequest, Problem, TooLarge, UnsupportedMediaType
from flaskauth.foundation.http import NOBODY, SANE_ID, client_ip, preferred_language, user_agent

JSON_TYPE = "application/json"
OFFERED = ("en", "ar", "fr", "pt", "sw")
NETWORKS = st.ip_addresses(v=4).map(str)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES)
WRITTEN = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(
        "utf-8", "surrogatepass"
    ),
    VALUES,
    st.booleans(),
    st.sampled_from([None, 1]),
)
BODIES = st.one_of(
    st.binary(),
    WRITTEN,
    st.builds(lambda raw, cut, more: raw[:cut] + more + raw[cut:], WRITTEN, st.integers(0, 80), st.binary(max_size=3)),
)
SEGMENTS = st.sampled_from([b"auth", b"users", b"sessions", b"docs", b"..", b"", b"1", b"%2e", b"\xff"])
PATHS = st.one_of(st.binary(), st.builds(lambda parts: b"/" + b"/".join(parts), st.lists(SEGMENTS, max_size=4)))
TYPES = st.one_of(
    st.just(JSON_TYPE),
    st.sampled_from(["application/json; charset=utf-8", 'application/json;charset="utf8"', "application/json, a/b"]),
    HEADERS,
)


class Anything(Schema):
    """One field that must be there."""

    x = fields.Raw(required=True)


def taken(app: Flask, raw: bytes, **more: Any) -> Any:
    """What the reader takes the body for, or the refusal."""
    with app.test_request_context("/", method="POST", data=raw, **more):
        try:
            return body.load_json(request, Anything())
        except Problem as problem:
            return type(problem)


def strictly(raw: bytes) -> Any:
    """What another strict reader takes it for."""
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(["twice"] if len(dict(pairs)) < len(pairs) else [])
        return dict(pairs)

    def constant(name: str) -> None:
        twice.append(name)

    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=once, parse_constant=constant)
    except (ValueError, RecursionError):
        return BadRequest
    return BadRequest if twice else found


@given(BODIES)
@example(b'{"a": 1, "a": 1}')
@example(b'{"a": NaN}')
@example(b"\xef\xbb\xbf{}")
@example(b'{"a": 1e999}')
def test_a_body_is_what_every_strict_reader_takes_it_for(server: Flask, raw: bytes) -> None:
    assert taken(server, raw, content_type=JSON_TYPE) == strictly(raw)


@given(OBJECTS)
def test_an_object_arrives_as_it_was_sent(server: Flask, value: dict[str, Any]) -> None:
    assert taken(server, json.dumps(value).encode(), content_type=JSON_TYPE) == value


@given(BODIES, TYPES, HEADERS)
def test_whatever_the_headers_call_a_body_it_is_json_or_refused(
    server: Flask, raw: bytes, kind: str, coding: str
) -> None:
    found = taken(server, raw, content_type=kind, headers={"Content-Encoding": coding})

    assert found in (BadRequest, TooLarge, UnsupportedMediaType) or found == strictly(raw)


@given(BODIES, TYPES, NETWORKS)
def test_any_bytes_get_a_refusal_that_is_declared(server: Flask, raw: bytes, kind: str, address: str) -> None:
    answer = server.test_client().post("/auth/refresh", data=raw, content_type=kind, headers=network(address))

    assert refused(answer)[0] in {400, 401, 413, 415, 422}
    assert answer.status_code != 401 or isinstance(strictly(raw)["refresh_token"], str)


@given(st.one_of(HEADERS, st.text("aZ09._-", max_size=70)))
def test_a_request_id_is_the_callers_own_or_ours(server: Flask, given_id: str) -> None:
    answer = server.test_client().get("/hello", headers={"X-Request-ID": given_id})

    found = answer.headers["X-Request-ID"]
    assert found == given_id if SANE_ID.fullmatch(given_id) else re.fullmatch("[0-9a-f]{32}", found)


@given(
    st.one_of(
        HEADERS,
        st.lists(st.sampled_from(["en", "fr-CA", "pt;q=0.5", "*", ";q=", "q=1", "AR;q=9", ";q=nan", "sw;q=1e9"])).map(
            ",".join
        ),
    )
)
@example("fr;q=-1")
def test_any_wish_is_answered_in_a_language_that_there_is(server: Flask, wish: str) -> None:
    with server.test_request_context("/", headers={"Accept-Language": wish}):
        assert preferred_language(OFFERED) in OFFERED


@given(HEADERS, HEADERS)
def test_who_asks_is_an_address_and_what_they_use_is_printable(server: Flask, hops: str, agent: str) -> None:
    headers = {"X-Forwarded-For": hops, "User-Agent": agent}
    with server.test_request_context("/", headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        assert client_ip() == NOBODY or str(ip_address(client_ip())) == client_ip()
        assert user_agent().isprintable()
        assert len(user_agent()) <= 255


@given(
    st.one_of(
        st.binary().map(quote_from_bytes),
        st.builds(
            "{}={}&limit={}".format,
            st.sampled_from(["cursor", "limit", "x"]),
            st.integers() | st.text("0123456789abc%+-._ ", max_size=20),
            st.integers(-5, 200),
        ),
    )
)
@example("cursor=9007199254740991")
@example("cursor=00")
@example("limit=%D9%A1")
@example("cursor=1;limit=2")
def test_any_query_is_a_page_or_is_invalid(server: Flask, token: str, query: str) -> None:
    answer = server.test_client().get(f"/users/activity?{query}", headers=bearer(token))

    assert looked_at(answer).status_code in {200, 422}
    assert answer.status_code == 422 or len(answer.get_json()["events"]) <= 100


@given(PATHS, st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "HEAD", "QUERY", "get"]))
@example(b"", "GET")
def test_any_address_is_one_of_ours_or_nothing(server: Flask, token: str, path: bytes, method: str) -> None:
    """An empty one is the first page's, on the host that was asked for: whoever named another gets nobody there."""
    environ = {"PATH_INFO": path.decode("latin-1"), "HTTP_HOST": "evil.example"}
    answer = server.test_client().open(method=method, environ_overrides=environ, headers=bearer(token))

    assert answer.status_code < 500
    assert "evil" not in answer.headers.get("Location", "")
    assert answer.status_code in {200, 308, 403, 404, 405, 415} or refused(answer)[0] in {401, 422}
