"""What the document says of a route of each kind."""

from typing import Any

import pytest
from tests.reference.reading import Document, Operation, content, operations, refused

Described = dict[tuple[str, str], Operation]


@pytest.fixture
def described(sample_document: Document) -> Described:
    return operations(sample_document)


def test_a_route_with_a_body_says_how_it_can_be_wrong(described: Described) -> None:
    assert refused(described["/sample/verify", "post"]) == {
        400: ["bad_request"],
        401: ["wrong_code"],
        413: ["too_large"],
        415: ["unsupported_media_type"],
        422: ["invalid_input", "weak_password"],
        429: ["too_many_requests"],
        503: ["unavailable"],
    }


def test_examples_tell_what_is_missing_and_what_the_refusal_says_of_itself(described: Described) -> None:
    examples = content(described["/sample/verify", "post"]["responses"]["422"])["examples"]

    assert examples["invalid_input"]["value"]["errors"] == {"otp": ["otp is required!"]}
    assert examples["weak_password"]["value"]["errors"] == {"password": ["Too common."]}


def test_refusals_say_their_headers(described: Described) -> None:
    responses = described["/sample/verify", "post"]["responses"]

    assert list(responses["401"]["headers"]) == ["WWW-Authenticate"]
    assert list(responses["429"]["headers"]) == list(responses["503"]["headers"]) == ["Retry-After"]
    assert "headers" not in responses["400"]


def test_a_query_can_be_wrong_too(described: Described) -> None:
    assert refused(described["/sample/notes", "get"])[422] == ["invalid_input"]


def test_a_body_is_required_where_a_field_is(described: Described) -> None:
    assert described["/sample/verify", "post"]["requestBody"]["required"] is True
    assert described["/sample/notes", "post"]["requestBody"]["required"] is False


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/sample/verify", "post", None),
        ("/sample/notes", "post", [{"bearer": []}]),
        ("/sample/notes", "get", [{}, {"bearer": []}]),
        ("/sample/notes/{note_id}", "delete", [{"bearer": []}]),
    ],
)
def test_a_guarded_route_asks_for_a_token(described: Described, path: str, method: str, security: Any) -> None:
    assert described[path, method].get("security") == security


def test_a_reply_says_its_constants(sample_document: Document) -> None:
    proven = sample_document["components"]["schemas"]["VerifyReply"]

    assert proven["properties"]["message"] == {"type": "string", "const": "Proven"}
    assert proven["properties"]["success"] == {"type": "boolean", "const": True}
    assert proven["properties"]["at"]["type"] == ["string", "null"]
    assert proven["required"] == ["at", "message", "status", "success"]


def test_what_is_only_for_development_is_not_in_it(described: Described) -> None:
    assert not [path for path, _ in described if path.startswith("/dev/")]
