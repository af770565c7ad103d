"""A: malformed JSON at every route that accepts a body. See also core/test_json_body_validation."""

import gzip
import json

from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.route_catalog import Route

BAD_REQUEST, VALIDATION_FAILED, UNSUPPORTED, TOO_LARGE = (
    (400, "bad_request"),
    (422, "validation_failed"),
    (415, "unsupported_media_type"),
    (413, "too_large"),
)
BODY_LIMIT = 64 * 1024
JSON = "application/json"


def test_a01_empty_body_is_bad_request(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            if route.required_fields:  # otherwise an empty body is an empty object
                assert error_of(checker.api_client.send(route, b"")) == BAD_REQUEST, route
            for body in (b"\t\r\n", b"\xef\xbb\xbf", b"\x00", b"\x00" * 1000):
                assert error_of(checker.api_client.send(route, body)) == BAD_REQUEST, f"{route} {body[:9]!r}"


def test_a03_non_object_json_is_invalid(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for body in (b" null ", b"[]", b'""', b"-0", b"1e5", b"1e999", b"[" * 9 + b"]" * 9, b'["email"]'):
                assert error_of(checker.api_client.send(route, body)) == VALIDATION_FAILED, f"{route} {body!r}"


def test_a05_duplicate_json_key_is_bad_request(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            name = route.field_names[0]
            for first, second in (("a", "b"), ("b", "a"), (1, "a"), ("a", None), ({}, "a")):
                body = f'{{"{name}": {json.dumps(first)}, "x": 1, "{name}": {json.dumps(second)}}}'
                assert error_of(checker.api_client.send(route, body.encode())) == BAD_REQUEST, f"{route} {body}"


def test_a07_mass_assignment_of_unknown_fields_is_rejected(checker: AttackChecker) -> None:
    names = ("is_admin", "role", "id", "user", "email_verified", "disabled_at", "sub", "scope")
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            errors = checker.api_client.validation_errors(
                route, route.example_body(**{name: {"$ne": "anything"} for name in names})
            )
            assert set(errors) == set(names), route


def test_a09_lone_unicode_surrogates_are_rejected(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for name in route.text_fields:
                for surrogates in ("\udc00\ud800", "a\ud83d", "\udfff" * 30):
                    assert list(
                        checker.api_client.validation_errors(route, route.example_body(**{name: surrogates}))
                    ) == [name], route


def test_a13_other_content_types_and_encodings_are_rejected(checker: AttackChecker) -> None:
    content_types = (
        "text/html",
        "application/json; charset=cp037",
        "application/json-seq",
        "application/x-yaml",
    )
    bomb = gzip.compress(b"0" * 10**7)
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for content_type in content_types:
                assert error_of(checker.api_client.send(route, b'{"a": 1}', content_type)) == UNSUPPORTED, (
                    f"{route} {content_type}"
                )
            assert error_of(checker.api_client.send(route, b'{"a": 1}', "\xff/json")) == BAD_REQUEST, route
            for encoding in ("gzip", "x-gzip", "GZIP", "zstd", "identity, gzip"):
                response = checker.api_client.send(route, bomb, headers={"Content-Encoding": encoding})
                assert error_of(response) == UNSUPPORTED, f"{route} {encoding}"
            assert error_of(checker.api_client.send(route, bomb)) == BAD_REQUEST


def test_a15_huge_json_documents_are_rejected(checker: AttackChecker) -> None:
    colliding_keys = json.dumps({f"{'a' * (number % 7)}{number}": 0 for number in range(4000)})
    bodies = {
        json.dumps({str(number): 0 for number in range(10**5)}): TOO_LARGE,
        colliding_keys: VALIDATION_FAILED,
        f'{{"x": [{"0," * 32_000}0]}}': VALIDATION_FAILED,
        f'{{"x": {"[" * 300}{"]" * 300}}}': VALIDATION_FAILED,
        f'{{"x": {"[" * 1000}{"]" * 1000}}}': BAD_REQUEST,
        f'{{"x": "{"{" * 999}"}}': VALIDATION_FAILED,
        '{"x": "' + "\\u0000" * 10_000 + '"}': VALIDATION_FAILED,
        f'{{"x": 0.{"0" * 60_000}1}}': VALIDATION_FAILED,
    }

    def send_all(to: list[Route]) -> None:
        for route in to:
            for body, code in bodies.items():
                assert error_of(checker.api_client.send(route, body.encode())) == code, f"{route} {body[:20]}"

    send_all(checker.json_routes)  # a first run: Python keeps the memory that it allocates
    with checker.expect_only(hashes=0):
        send_all(checker.json_routes)


def test_a17_numbers_in_text_fields_are_rejected(checker: AttackChecker) -> None:
    numbers = ("1e400", "-1e400", "1e999999999", "-0", "0e0", "1E2", "1.0", "9007199254740992", "1" * 4000, "true")
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for name in route.field_names:
                for number in numbers:
                    assert (
                        error_of(checker.api_client.send(route, f'{{"{name}": {number}}}'.encode()))
                        == VALIDATION_FAILED
                    ), number
                response = checker.api_client.send(route, f'{{"{name}": {"1" * 5000}}}'.encode())
                assert error_of(response) == BAD_REQUEST, route


def test_a19_query_parameters_do_not_replace_json_fields(checker: AttackChecker) -> None:
    queries = ("email=a@example.com&email=b@example.com", "password[]=x", "__proto__[a]=1", "%ff=%00", "a=1;b=2", "&&=")
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for query in queries:
                response = checker.api_client.send(route, b'{"surprise": 1}', query_string=query)
                assert "surprise" in response.get_json()["errors"], f"{route} {query}"


def test_a21_prototype_pollution_names_are_rejected(checker: AttackChecker) -> None:
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
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for name in names:
                assert list(
                    checker.api_client.validation_errors(route, route.example_body(**{name: {"polluted": True}}))
                ) == [name], route


def test_a23_method_override_headers_are_ignored(checker: AttackChecker) -> None:
    override_headers = {
        "X-HTTP-Method-Override": "POST",
        "X-HTTP-Method": "POST",
        "X-Method-Override": "POST",
        "_method": "POST",
    }
    methods = ("GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "FOO")
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            body, allowed = json.dumps(route.example_body()).encode(), checker.allowed_methods(route.path)
            for method in set(methods) - allowed:
                response = checker.client.open(
                    route.path,
                    method=method,
                    data=body,
                    content_type=JSON,
                    query_string=route.example_body(),
                    headers=override_headers,
                )
                assert response.status_code == 405, f"{method} {route}"
                assert set(response.headers["Allow"].split(", ")) == allowed
