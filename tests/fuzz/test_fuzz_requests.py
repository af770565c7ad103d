"""Any request is parsed strictly and gets a response in the documented shape, without an unhandled exception."""

import json
import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote_from_bytes

from flask import Flask, request
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import Schema, fields
from tests.fuzz.strategies import HEADER_VALUES
from tests.support.api_client import assert_safe_response
from tests.support.inspect import error_of
from tests.support.users import bearer, forwarded_for

from flaskauth.core.errors import APIError, BadRequest, TooLarge, UnsupportedMediaType
from flaskauth.core.http import json_body
from flaskauth.core.http.request import REQUEST_ID_PATTERN, UNKNOWN_CLIENT, client_ip, preferred_language, user_agent

JSON_TYPE = "application/json"
LANGUAGES = ("en", "ar", "fr", "pt", "sw")
CLIENT_IPS = st.ip_addresses(v=4).map(str)
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
JSON_TEXTS = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(
        "utf-8", "surrogatepass"
    ),
    VALUES,
    st.booleans(),
    st.sampled_from([None, 1]),
)
BODIES = st.one_of(
    st.binary(),
    JSON_TEXTS,
    st.builds(
        lambda raw, position, options: raw[:position] + options + raw[position:],
        JSON_TEXTS,
        st.integers(0, 80),
        st.binary(max_size=3),
    ),
)
SEGMENTS = st.sampled_from([b"auth", b"users", b"sessions", b"docs", b"..", b"", b"1", b"%2e", b"\xff"])
PATHS = st.one_of(st.binary(), st.builds(lambda parts: b"/" + b"/".join(parts), st.lists(SEGMENTS, max_size=4)))
CONTENT_TYPES = st.one_of(
    st.just(JSON_TYPE),
    st.sampled_from(["application/json; charset=utf-8", 'application/json;charset="utf8"', "application/json, a/b"]),
    HEADER_VALUES,
)


class AnySchema(Schema):
    """A schema with one required field."""

    x = fields.Raw(required=True)


def parse_body(app: Flask, raw: bytes, **options: Any) -> Any:
    """Parse a body. Return the result or the error."""
    with app.test_request_context("/", method="POST", data=raw, **options):
        try:
            return json_body.load_json(request, AnySchema())
        except APIError as error:
            return type(error)


def parse_strictly(raw: bytes) -> Any:
    """Parse with a second strict parser."""
    violations: list[str] = []

    def unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        violations.extend(["duplicate key"] if len(dict(pairs)) < len(pairs) else [])
        return dict(pairs)

    def reject_constant(name: str) -> None:
        violations.append(name)

    try:
        result = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=unique_pairs, parse_constant=reject_constant)
    except (ValueError, RecursionError):
        return BadRequest
    return BadRequest if violations else result


@given(BODIES)
@example(b'{"a": 1, "a": 1}')
@example(b'{"a": NaN}')
@example(b"\xef\xbb\xbf{}")
@example(b'{"a": 1e999}')
def test_json_body_is_parsed_like_a_strict_parser(fuzzed_app: Flask, raw: bytes) -> None:
    assert parse_body(fuzzed_app, raw, content_type=JSON_TYPE) == parse_strictly(raw)


@given(OBJECTS)
def test_json_object_round_trips(fuzzed_app: Flask, value: dict[str, Any]) -> None:
    assert parse_body(fuzzed_app, json.dumps(value).encode(), content_type=JSON_TYPE) == value


@given(BODIES, CONTENT_TYPES, HEADER_VALUES)
def test_body_with_any_headers_is_json_or_rejected(
    fuzzed_app: Flask, raw: bytes, content_type: str, content_encoding: str
) -> None:
    result = parse_body(fuzzed_app, raw, content_type=content_type, headers={"Content-Encoding": content_encoding})

    assert result in (BadRequest, TooLarge, UnsupportedMediaType) or result == parse_strictly(raw)


@given(BODIES, CONTENT_TYPES, CLIENT_IPS)
def test_any_refresh_body_gets_a_declared_error(
    fuzzed_app: Flask, raw: bytes, content_type: str, client_address: str
) -> None:
    response = fuzzed_app.test_client().post(
        "/auth/refresh", data=raw, content_type=content_type, headers=forwarded_for(client_address)
    )

    assert error_of(response)[0] in {400, 401, 413, 415, 422}
    assert response.status_code != 401 or isinstance(parse_strictly(raw)["refresh_token"], str)


@given(st.one_of(HEADER_VALUES, st.text("aZ09._-", max_size=70)))
def test_request_id_is_echoed_if_sane_or_generated(fuzzed_app: Flask, given_id: str) -> None:
    response = fuzzed_app.test_client().get("/hello", headers={"X-Request-ID": given_id})

    result = response.headers["X-Request-ID"]
    assert result == given_id if REQUEST_ID_PATTERN.fullmatch(given_id) else re.fullmatch("[0-9a-f]{32}", result)


@given(
    st.one_of(
        HEADER_VALUES,
        st.lists(st.sampled_from(["en", "fr-CA", "pt;q=0.5", "*", ";q=", "q=1", "AR;q=9", ";q=nan", "sw;q=1e9"])).map(
            ",".join
        ),
    )
)
@example("fr;q=-1")
def test_any_accept_language_selects_an_offered_language(fuzzed_app: Flask, accept_language: str) -> None:
    with fuzzed_app.test_request_context("/", headers={"Accept-Language": accept_language}):
        assert preferred_language(LANGUAGES) in LANGUAGES


@given(HEADER_VALUES, HEADER_VALUES)
def test_client_ip_and_user_agent_are_always_valid(fuzzed_app: Flask, hops: str, agent: str) -> None:
    headers = {"X-Forwarded-For": hops, "User-Agent": agent}
    with fuzzed_app.test_request_context("/", headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        assert client_ip() == UNKNOWN_CLIENT or str(ip_address(client_ip())) == client_ip()
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
def test_any_cursor_query_returns_a_page_or_422(fuzzed_app: Flask, token: str, query: str) -> None:
    response = fuzzed_app.test_client().get(f"/users/activity?{query}", headers=bearer(token))

    assert assert_safe_response(response).status_code in {200, 422}
    assert response.status_code == 422 or len(response.get_json()["events"]) <= 100


@given(PATHS, st.sampled_from(["GET", "POST", "DELETE", "OPTIONS", "HEAD", "QUERY", "get"]))
@example(b"", "GET")
def test_any_path_is_a_known_route_or_an_error(fuzzed_app: Flask, token: str, path: bytes, method: str) -> None:
    """An empty path is the index page of the requested host; a different host is not found."""
    environ = {"PATH_INFO": path.decode("latin-1"), "HTTP_HOST": "evil.example"}
    response = fuzzed_app.test_client().open(method=method, environ_overrides=environ, headers=bearer(token))

    assert response.status_code < 500
    assert "evil" not in response.headers.get("Location", "")
    assert response.status_code in {200, 308, 403, 404, 405, 415} or error_of(response)[0] in {401, 422}
