"""Invalid request bodies on every route. Routes are read from the application, so new routes are covered."""

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from tests.support.api_client import ECHO_MARKER, JSON, ApiClient
from tests.support.db_snapshot import BOOKKEEPING_TABLES, table_contents
from tests.support.inspect import error_of
from tests.support.route_catalog import Route, routes_with_json_body
from tests.support.users import UserFactory

LIMIT = 64 * 1024
BOM = b"\xef\xbb\xbf"
BAD_REQUEST, TOO_LARGE = (400, "bad_request"), (413, "too_large")
CGI_NAMES = {
    "Content-Type": "CONTENT_TYPE",
    "Content-Encoding": "HTTP_CONTENT_ENCODING",
    "Content-Language": "HTTP_CONTENT_LANGUAGE",
}
UNSUPPORTED, INVALID = (415, "unsupported_media_type"), (422, "validation_failed")

# Each function gets the name of a field of the route, so that only the JSON is wrong.
MALFORMED_JSON: dict[str, Callable[[str], str]] = {
    "white space": lambda _: " \n ",
    "text": lambda _: ECHO_MARKER,
    "single quotes": lambda name: f"{{'{name}': 'x'}}",
    "unclosed object": lambda name: f'{{"{name}": "x"',
    "two objects": lambda name: f'{{"{name}": "x"}}{{"{name}": "x"}}',
    "trailing comma": lambda name: f'{{"{name}": "x",}}',
    "comment": lambda name: f'{{"{name}": "x"}} // {ECHO_MARKER}',
    "duplicate key": lambda name: f'{{"{name}": "a", "{name}": "b"}}',
    "duplicate key with escapes": lambda name: f'{{"{name}": "a", "\\u{ord(name[0]):04x}{name[1:]}": "b"}}',
    "nested duplicate key": lambda name: f'{{"{name}": {{"a": 1, "a": 2}}}}',
    "NaN": lambda name: f'{{"{name}": NaN}}',
    "infinity": lambda name: f'{{"{name}": -Infinity}}',
    "raw line break": lambda name: f'{{"{name}": "a\nb"}}',
    "raw NUL": lambda name: f'{{"{name}": "a\x00b"}}',
    "octal number": lambda name: f'{{"{name}": 017}}',
    "number of 5000 digits": lambda name: f'{{"{name}": {"1" * 5000}}}',
    "unclosed nested lists": lambda _: "[" * (LIMIT - 1),
    "unclosed nested objects": lambda _: '{"a":' * 12_000,
    "nested lists": lambda name: f'{{"{name}": {"[" * 5000}{"]" * 5000}}}',
    "nested objects": lambda _: '{"a":' * 5000 + "{}" + "}" * 5000,
    "form fields": lambda name: f"{name}=x",
}
INVALID_UTF_8: dict[str, Callable[[str], bytes]] = {
    "two BOMs": lambda name: BOM + BOM + f'{{"{name}": "x"}}'.encode(),
    "BOM alone": lambda _: BOM,
    "invalid byte": lambda name: f'{{"{name}": "'.encode() + b'\xff\xfe"}',
    "overlong encoding": lambda name: f'{{"{name}": "'.encode() + b'\xc0\xaf"}',
    "encoded surrogate": lambda name: f'{{"{name}": "'.encode() + b'\xed\xa0\x80"}',
    "UTF-16": lambda name: f'{{"{name}": "x"}}'.encode("utf-16"),
}
NON_OBJECTS: tuple[Any, ...] = (None, [], [{}], "x", ECHO_MARKER, 1, 1.5, True, False, "")
NON_STRINGS: tuple[Any, ...] = (
    1,
    -1.5,
    True,
    None,
    [],
    [ECHO_MARKER],
    {},
    {ECHO_MARKER: ECHO_MARKER},
    10**400,
    "a\x00b",
    "\ud800",
    "a\udfff",
)
NON_INTEGERS: tuple[Any, ...] = ("1", 1.0, 1.5, True, None, [], {}, 0, -1, 2**53, 2**63, -(2**63) - 1, 10**400, 1e300)
UNKNOWN_FIELDS = (
    *("__proto__", "__class__", "constructor", "_sa_instance_state", "_schema", "is_verified", "id", "user_id"),
    *("surprise", "password\u200b", "", " ", "\ud800", "json"),
)
NON_JSON_CONTENT_TYPES = (
    None,
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-7",
    "application/json; charset=utf-16",
    "application/json, text/plain",
    "application/vnd.api+json",
    "application/jsonp",
    "json",
    "*/*",
)


@pytest.fixture
def api_client(users: UserFactory) -> ApiClient:
    return ApiClient.authenticated(users)


@pytest.fixture
def body_routes(app: Flask, api_client: ApiClient) -> Iterator[list[Route]]:
    """Return every route with a JSON body, and assert afterwards that the requests wrote no row and sent no mail."""
    before = table_contents(app, excluded=BOOKKEEPING_TABLES)
    yield routes_with_json_body(app)
    assert table_contents(app, excluded=BOOKKEEPING_TABLES) == before


def test_json_body_malformed_returns_400(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for case, build_body in MALFORMED_JSON.items():
            assert error_of(api_client.send(route, build_body(route.field_names[0]).encode())) == BAD_REQUEST, (
                f"{route}: {case}"
            )


def test_json_body_invalid_unicode_returns_400(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for case, build_body in INVALID_UTF_8.items():
            assert error_of(api_client.send(route, build_body(route.field_names[0]))) == BAD_REQUEST, f"{route}: {case}"


def test_json_body_non_object_returns_422_for_body(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for body in NON_OBJECTS:
            assert list(api_client.validation_errors(route, body)) == ["body"], f"{route} {body!r}"


def test_json_field_wrong_type_or_value_returns_422(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for name in route.field_names:
            values = NON_STRINGS if name in route.text_fields else NON_INTEGERS
            for value in (value for value in values if not route.accepts(name, value)):
                assert list(api_client.validation_errors(route, route.example_body(**{name: value}))) == [name], (
                    f"{route} {name}={value!r}"
                )


def test_missing_required_field_returns_422_by_name(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for name in route.required_fields:
            body = {other: value for other, value in route.example_body().items() if other != name}
            assert api_client.validation_errors(route, body) == {name: [f"{name} is required!"]}, route
        if route.required_fields:
            assert api_client.validation_errors(route, {}) == {
                name: [f"{name} is required!"] for name in sorted(route.required_fields)
            }


def test_unknown_field_returns_422(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for name in UNKNOWN_FIELDS:
            reported = {"_schema": "body", "\ud800": "?"}.get(name, name)
            assert api_client.validation_errors(route, route.example_body(**{name: ECHO_MARKER})) == {
                reported: ["Unknown field."]
            }, f"{route} {name!r}"


def test_thousands_of_unknown_fields_are_rejected_fast(api_client: ApiClient, body_routes: list[Route]) -> None:
    body = {f"{number:x}": 0 for number in range(6000)}

    def is_quick(route: Route) -> bool:
        started = time.thread_time()
        assert set(body) <= set(api_client.validation_errors(route, body))
        return time.thread_time() - started < 1

    for route in body_routes:
        assert any(is_quick(route) for _ in range(3)), route  # the garbage collector may run in one of them


def test_query_parameters_are_not_used_as_body_fields(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        if route.required_fields:
            query = {name: [ECHO_MARKER, "x"] for name in route.field_names}
            response = api_client.send(route, b"{}", query_string=query)
            assert set(response.get_json()["errors"]) == set(route.required_fields), route


def test_body_of_64_kib_is_accepted_one_byte_more_is_413(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        body = b'{"surprise": 1' + b" " * (LIMIT - 15) + b"}"
        assert len(body) == LIMIT
        assert error_of(api_client.send(route, body)) == INVALID, route
        assert error_of(api_client.send(route, body + b" ")) == TOO_LARGE, route


class EndlessBody(io.RawIOBase):
    """A request body that never ends, and the number of bytes that were read from it."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.bytes_read += len(buffer)
        assert self.bytes_read < 64 * LIMIT, "the server reads an endless body without a limit"
        buffer[:] = b" " * len(buffer)
        return len(buffer)


def test_declared_length_over_limit_returns_413_unread(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for length in (LIMIT + 2, 10**7, 10**9, 10**30):
            body = EndlessBody()
            assert error_of(api_client.send_stream(route, body, length)) == TOO_LARGE, route
            assert body.bytes_read == 0


def test_chunked_body_over_limit_returns_413_after_limit(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        body = EndlessBody()
        assert error_of(api_client.send_stream(route, body)) == TOO_LARGE, route
        assert body.bytes_read <= 2 * LIMIT
        assert error_of(api_client.send_stream(route, io.BytesIO(b'{"surprise": 1}'))) == INVALID, route


def test_content_type_or_encoding_not_json_returns_415(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for kind in NON_JSON_CONTENT_TYPES:
            assert error_of(api_client.send(route, b'{"surprise": 1}', kind)) == UNSUPPORTED, f"{route} {kind}"
        for coding in ("gzip", "deflate", "br", "gzip, identity", "x"):
            response = api_client.send(route, b'{"surprise": 1}', headers={"Content-Encoding": coding})
            assert error_of(response) == UNSUPPORTED, f"{route} {coding}"
        for coding in ("", "identity", "Identity"):
            response = api_client.send(route, b'{"surprise": 1}', headers={"Content-Encoding": coding})
            assert error_of(response) == INVALID, f"{route} {coding}"
        for kind in (JSON, "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf-8"'):
            assert error_of(api_client.send(route, b'{"surprise": 1}', kind)) == INVALID, f"{route} {kind}"


def test_empty_body_is_rejected_if_fields_are_required(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        for kind, status in ((None, 415), (JSON, 400), ("application/json; charset=UTF-8", 400), ("text/json", 415)):
            response = api_client.send(route, content_type=kind)
            is_optional = not route.required_fields and kind != "text/json"
            assert (response.status_code == status) != is_optional, f"{route} {kind}"
            chunked = api_client.send_stream(route, io.BytesIO(), content_type=kind)
            assert chunked.status_code == response.status_code, f"{route} {kind}"


def test_json_body_with_byte_order_mark_is_accepted(api_client: ApiClient, body_routes: list[Route]) -> None:
    for route in body_routes:
        response = api_client.send(route, BOM + b'{"surprise": 1}')
        assert error_of(response) == INVALID, route


@pytest.mark.parametrize("name", ["Content-Type", "Content-Encoding", "Content-Language"])
def test_non_ascii_content_header_returns_400(api_client: ApiClient, body_routes: list[Route], name: str) -> None:
    for route in body_routes:
        response = api_client.send(route, b"{}", environ_overrides={CGI_NAMES[name]: "application/json; \xfc"})
        assert error_of(response) == BAD_REQUEST, route
        assert response.get_json()["message"] == f"The header {name} must be ASCII text."
