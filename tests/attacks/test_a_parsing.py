"""A: what is no good JSON, at every route that takes a body. More of it is in test_bad_input."""

import gzip
import json

from tests.attacks.judging import Judge
from tests.inside import refused
from tests.routes import Route

BAD, INVALID, UNSUPPORTED, TOO_LARGE = (
    (400, "bad_request"),
    (422, "invalid_input"),
    (415, "unsupported_media_type"),
    (413, "too_large"),
)
LIMIT = 64 * 1024
JSON = "application/json"


def test_a01_an_empty_body(judge: Judge) -> None:
    with judge.case(hashed=0):
        for route in judge.bodies:
            for body in (b"", b"\t\r\n", b"\xef\xbb\xbf", b"\x00", b"\x00" * 1000):
                assert refused(judge.caller.send(route, body)) == BAD, f"{route} {body[:9]!r}"


def test_a03_a_document_that_is_no_object(judge: Judge) -> None:
    with judge.case(hashed=0):
        for route in judge.bodies:
            for body in (b" null ", b"[]", b'""', b"-0", b"1e5", b"1e999", b"[" * 9 + b"]" * 9, b'["email"]'):
                assert refused(judge.caller.send(route, body)) == INVALID, f"{route} {body!r}"


def test_a05_a_key_that_stands_twice(judge: Judge) -> None:
    with judge.case(hashed=0):
        for route in judge.bodies:
            name = route.names[0]
            for first, second in (("a", "b"), ("b", "a"), (1, "a"), ("a", None), ({}, "a")):
                body = f'{{"{name}": {json.dumps(first)}, "x": 1, "{name}": {json.dumps(second)}}}'
                assert refused(judge.caller.send(route, body.encode())) == BAD, f"{route} {body}"


def test_a07_fields_that_nobody_asked_for(judge: Judge) -> None:
    more = ("is_admin", "role", "id", "user", "email_verified", "disabled_at", "sub", "scope")
    with judge.case(hashed=0):
        for route in judge.bodies:
            errors = judge.caller.errors(route, route.body(**{name: {"$ne": "anything"} for name in more}))
            assert set(errors) == set(more), route


def test_a09_halves_of_letters(judge: Judge) -> None:
    with judge.case(hashed=0):
        for route in judge.bodies:
            for name in route.texts:
                for half in ("\udc00\ud800", "a\ud83d", "\udfff" * 30):
                    assert list(judge.caller.errors(route, route.body(**{name: half}))) == [name], route


def test_a13_other_kinds_of_body(judge: Judge) -> None:
    kinds = ("text/html", "application/json; charset=cp037", "application/json-seq", "application/x-yaml", "\xff/json")
    bomb = gzip.compress(b"0" * 10**7)
    with judge.case(hashed=0):
        for route in judge.bodies:
            for kind in kinds:
                assert refused(judge.caller.send(route, b'{"a": 1}', kind)) == UNSUPPORTED, f"{route} {kind}"
            for coding in ("gzip", "x-gzip", "GZIP", "zstd", "identity, gzip", "\xff"):
                answer = judge.caller.send(route, bomb, headers={"Content-Encoding": coding})
                assert refused(answer) == UNSUPPORTED, f"{route} {coding}"
            assert refused(judge.caller.send(route, bomb)) == BAD


def test_a15_tables_and_lists_without_end(judge: Judge) -> None:
    alike = json.dumps({f"{'a' * (number % 7)}{number}": 0 for number in range(4000)})
    bodies = {
        json.dumps({str(number): 0 for number in range(10**5)}): TOO_LARGE,
        alike: INVALID,
        f'{{"x": [{"0," * 32_000}0]}}': INVALID,
        f'{{"x": {"[" * 300}{"]" * 300}}}': INVALID,
        f'{{"x": {"[" * 1000}{"]" * 1000}}}': BAD,
        f'{{"x": "{"{" * 999}"}}': INVALID,
        '{"x": "' + "\\u0000" * 10_000 + '"}': INVALID,
        f'{{"x": 0.{"0" * 60_000}1}}': INVALID,
    }

    def send_all(to: list[Route]) -> None:
        for route in to:
            for body, code in bodies.items():
                assert refused(judge.caller.send(route, body.encode())) == code, f"{route} {body[:20]}"

    send_all(judge.bodies)  # Python gets itself the memory that it then keeps
    with judge.case(hashed=0):
        send_all(judge.bodies)


def test_a17_numbers_of_every_kind(judge: Judge) -> None:
    numbers = ("1e400", "-1e400", "1e999999999", "-0", "0e0", "1E2", "1.0", "9007199254740992", "1" * 4000, "true")
    with judge.case(hashed=0):
        for route in judge.bodies:
            for name in route.names:
                for number in numbers:
                    assert refused(judge.caller.send(route, f'{{"{name}": {number}}}'.encode())) == INVALID, number
                answer = judge.caller.send(route, f'{{"{name}": {"1" * 5000}}}'.encode())
                assert refused(answer) == BAD, route


def test_a19_fields_in_the_address(judge: Judge) -> None:
    queries = ("email=a@example.com&email=b@example.com", "password[]=x", "__proto__[a]=1", "%ff=%00", "a=1;b=2", "&&=")
    with judge.case(hashed=0):
        for route in judge.bodies:
            for query in queries:
                answer = judge.caller.send(route, b'{"surprise": 1}', query_string=query)
                assert "surprise" in answer.get_json()["errors"], f"{route} {query}"


def test_a21_names_of_the_machinery(judge: Judge) -> None:
    names = (
        "__proto__",
        "__class__",
        "constructor",
        "_sa_instance_state",
        "__init__",
        "metadata",
        "query",
        "dict",
        "**",
    )
    with judge.case(hashed=0):
        for route in judge.bodies:
            for name in names:
                assert list(judge.caller.errors(route, route.body(**{name: {"polluted": True}}))) == [name], route


def test_a23_other_methods_and_headers_that_claim_another(judge: Judge) -> None:
    claims = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "X-Method-Override": "POST", "_method": "POST"}
    others = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "FOO")
    with judge.case(hashed=0):
        for route in judge.bodies:
            body, known = json.dumps(route.body()).encode(), judge.methods(route.path)
            for method in set(others) - known:
                answer = judge.client.open(
                    route.path, method=method, data=body, content_type=JSON, query_string=route.body(), headers=claims
                )
                assert answer.status_code == 405, f"{method} {route}"
                assert set(answer.headers["Allow"].split(", ")) == known
