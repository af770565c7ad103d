"""What no route takes as a body. Routes are read from the application, so one that comes later is held to this too."""

import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from tests.calling import JSON, MARK, Caller
from tests.inside import refused
from tests.people import People
from tests.routes import Route, routes_with_body
from tests.tables import TRAIL, contents

LIMIT = 64 * 1024
BOM = b"\xef\xbb\xbf"
BAD_REQUEST, TOO_LARGE = (400, "bad_request"), (413, "too_large")
UNSUPPORTED, INVALID = (415, "unsupported_media_type"), (422, "invalid_input")

# By the name of one of the route's fields, so that only the JSON is wrong.
NO_JSON: dict[str, Callable[[str], str]] = {
    "nothing": lambda _: "",
    "white space": lambda _: " \n ",
    "text": lambda _: MARK,
    "single quotes": lambda name: f"{{'{name}': 'x'}}",
    "half an object": lambda name: f'{{"{name}": "x"',
    "two objects": lambda name: f'{{"{name}": "x"}}{{"{name}": "x"}}',
    "a comma too many": lambda name: f'{{"{name}": "x",}}',
    "a comment": lambda name: f'{{"{name}": "x"}} // {MARK}',
    "one key twice": lambda name: f'{{"{name}": "a", "{name}": "b"}}',
    "one key twice, written in two ways": lambda name: f'{{"{name}": "a", "\\u{ord(name[0]):04x}{name[1:]}": "b"}}',
    "one key twice, deep within": lambda name: f'{{"{name}": {{"a": 1, "a": 2}}}}',
    "not a number": lambda name: f'{{"{name}": NaN}}',
    "infinity": lambda name: f'{{"{name}": -Infinity}}',
    "a raw line break": lambda name: f'{{"{name}": "a\nb"}}',
    "a raw NUL": lambda name: f'{{"{name}": "a\x00b"}}',
    "an octal number": lambda name: f'{{"{name}": 017}}',
    "a number longer than any computer's": lambda name: f'{{"{name}": {"1" * 5000}}}',
    "a bomb of lists": lambda _: "[" * (LIMIT - 1),
    "a bomb of objects": lambda _: '{"a":' * 12_000,
    "a closed bomb of lists": lambda name: f'{{"{name}": {"[" * 5000}{"]" * 5000}}}',
    "a closed bomb of objects": lambda _: '{"a":' * 5000 + "{}" + "}" * 5000,
    "form fields": lambda name: f"{name}=x",
}
NO_UTF_8: dict[str, Callable[[str], bytes]] = {
    "BOM": lambda name: BOM + f'{{"{name}": "x"}}'.encode(),
    "a broken letter": lambda name: f'{{"{name}": "'.encode() + b'\xff\xfe"}',
    "an overlong letter": lambda name: f'{{"{name}": "'.encode() + b'\xc0\xaf"}',
    "a surrogate's bytes": lambda name: f'{{"{name}": "'.encode() + b'\xed\xa0\x80"}',
    "UTF-16": lambda name: f'{{"{name}": "x"}}'.encode("utf-16"),
}
NO_OBJECT: tuple[Any, ...] = (None, [], [{}], "x", MARK, 1, 1.5, True, False, "")
NO_TEXT: tuple[Any, ...] = (1, -1.5, True, None, [], [MARK], {}, {MARK: MARK}, 10**400, "a\x00b", "\ud800", "a\udfff")
NO_NUMBER: tuple[Any, ...] = ("1", 1.0, 1.5, True, None, [], {}, 0, -1, 2**53, 2**63, -(2**63) - 1, 10**400, 1e300)
NO_FIELDS = (
    *("__proto__", "__class__", "constructor", "_sa_instance_state", "_schema", "is_verified", "id", "user_id"),
    *("surprise", "password\u200b", "", " ", "\ud800", "json"),
)
NO_JSON_TYPE = (
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
def caller(people: People) -> Caller:
    return Caller.joined(people)


@pytest.fixture
def every(app: Flask, caller: Caller) -> Iterator[list[Route]]:
    """Every route with a body; whatever is sent to them leaves no row and no mail behind."""
    before = contents(app, but=TRAIL)
    yield routes_with_body(app)
    assert contents(app, but=TRAIL) == before


def test_what_is_no_json_is_a_bad_request(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for what, write in NO_JSON.items():
            assert refused(caller.send(route, write(route.names[0]).encode())) == BAD_REQUEST, f"{route}: {what}"


def test_what_is_no_utf_8_is_a_bad_request(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for what, write in NO_UTF_8.items():
            assert refused(caller.send(route, write(route.names[0]))) == BAD_REQUEST, f"{route}: {what}"


def test_what_is_no_object_is_invalid_as_a_whole(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for body in NO_OBJECT:
            assert list(caller.errors(route, body)) == ["body"], f"{route} {body!r}"


def test_each_field_takes_only_what_it_is_for(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for name in route.names:
            for value in NO_TEXT if name in route.texts else NO_NUMBER:
                assert list(caller.errors(route, route.body(**{name: value}))) == [name], f"{route} {name}={value!r}"


def test_a_field_that_is_missing_is_named(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for name in route.required:
            body = {other: value for other, value in route.body().items() if other != name}
            assert caller.errors(route, body) == {name: [f"{name} is required!"]}, route
        if route.required:
            assert caller.errors(route, {}) == {name: [f"{name} is required!"] for name in sorted(route.required)}


def test_a_field_that_nobody_knows_is_refused(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for name in NO_FIELDS:
            told = {"_schema": "body", "\ud800": "?"}.get(name, name)
            assert caller.errors(route, route.body(**{name: MARK})) == {told: ["Unknown field."]}, f"{route} {name!r}"


def test_thousands_of_fields_are_refused_at_once(caller: Caller, every: list[Route]) -> None:
    body = {f"{number:x}": 0 for number in range(6000)}

    def is_quick(route: Route) -> bool:
        began = time.thread_time()
        assert set(body) <= set(caller.errors(route, body))
        return time.thread_time() - began < 1

    for route in every:
        assert any(is_quick(route) for _ in range(3)), route  # Python may collect its garbage in one of them


def test_parameters_in_the_address_are_no_fields(caller: Caller, every: list[Route]) -> None:
    for route in every:
        if route.required:
            query = {name: [MARK, "x"] for name in route.names}
            answer = caller.send(route, b"{}", query_string=query)
            assert set(answer.get_json()["errors"]) == set(route.required), route


def test_a_body_of_64_kib_is_read_and_one_byte_more_is_too_large(caller: Caller, every: list[Route]) -> None:
    for route in every:
        body = b'{"surprise": 1' + b" " * (LIMIT - 15) + b"}"
        assert len(body) == LIMIT
        assert refused(caller.send(route, body)) == INVALID, route
        assert refused(caller.send(route, body + b" ")) == TOO_LARGE, route


class Endless(io.RawIOBase):
    """A body that never ends, and how much of it was read."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.taken += len(buffer)
        assert self.taken < 64 * LIMIT, "it would be read for ever"
        buffer[:] = b" " * len(buffer)
        return len(buffer)


def test_what_is_announced_as_too_large_is_not_read(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for length in (LIMIT + 2, 10**7, 10**9, 10**30):
            body = Endless()
            assert refused(caller.stream(route, body, length)) == TOO_LARGE, route
            assert body.taken == 0


def test_what_comes_in_chunks_is_read_no_further_than_the_limit(caller: Caller, every: list[Route]) -> None:
    for route in every:
        body = Endless()
        assert refused(caller.stream(route, body)) == TOO_LARGE, route
        assert body.taken <= 2 * LIMIT
        assert refused(caller.stream(route, io.BytesIO(b'{"surprise": 1}'))) == INVALID, route


def test_only_json_is_taken_and_only_as_it_is(caller: Caller, every: list[Route]) -> None:
    for route in every:
        for kind in NO_JSON_TYPE:
            assert refused(caller.send(route, b'{"surprise": 1}', kind)) == UNSUPPORTED, f"{route} {kind}"
        for coding in ("gzip", "deflate", "br", "gzip, identity", "x"):
            answer = caller.send(route, b'{"surprise": 1}', headers={"Content-Encoding": coding})
            assert refused(answer) == UNSUPPORTED, f"{route} {coding}"
        for kind in (JSON, "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf-8"'):
            assert refused(caller.send(route, b'{"surprise": 1}', kind)) == INVALID, f"{route} {kind}"


def test_a_call_that_needs_nothing_may_come_without_body_and_type(caller: Caller, every: list[Route]) -> None:
    for route in every:
        answer = caller.send(route, content_type=None)
        assert (answer.status_code == 415) == bool(route.required), route
