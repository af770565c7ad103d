"""The OpenAPI operations of a sample route of each kind."""

from typing import Any

import pytest
from tests.openapi.helpers import Document, Operation, error_codes, json_content, operations, resolve

Operations = dict[tuple[str, str], Operation]


@pytest.fixture
def sample_operations(sample_document: Document) -> Operations:
    return operations(sample_document)


def test_operation_with_body_lists_all_error_codes(sample_operations: Operations) -> None:
    assert error_codes(sample_operations["/sample/verify", "post"]) == {
        400: ["bad_request"],
        401: ["invalid_code"],
        413: ["too_large"],
        415: ["unsupported_media_type"],
        422: ["validation_failed", "weak_password"],
        429: ["too_many_requests"],
        503: ["unavailable"],
    }


def test_error_examples_contain_field_errors(sample_document: Document, sample_operations: Operations) -> None:
    response = resolve(sample_document, sample_operations["/sample/verify", "post"]["responses"]["422"])
    examples = json_content(response)["examples"]

    assert examples["validation_failed"]["value"]["errors"] == {"email": ["email is required!"]}
    assert examples["weak_password"]["value"]["errors"] == {"password": ["Too common."]}


def test_error_responses_declare_their_headers(sample_document: Document, sample_operations: Operations) -> None:
    references = sample_operations["/sample/verify", "post"]["responses"]
    responses = {status: resolve(sample_document, references[status]) for status in ("400", "401", "429", "503")}

    assert list(responses["401"]["headers"]) == ["WWW-Authenticate"]
    assert list(responses["429"]["headers"]) == list(responses["503"]["headers"]) == ["Retry-After"]
    assert "headers" not in responses["400"]


def test_operation_with_query_lists_validation_error(sample_operations: Operations) -> None:
    assert error_codes(sample_operations["/sample/notes", "get"])[422] == ["validation_failed"]


def test_request_body_is_required_if_a_field_is(sample_operations: Operations) -> None:
    assert sample_operations["/sample/verify", "post"]["requestBody"]["required"] is True
    assert sample_operations["/sample/notes", "post"]["requestBody"]["required"] is False


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/sample/verify", "post", []),
        ("/sample/notes", "post", [{"bearer": []}]),
        ("/sample/notes", "get", [{}, {"bearer": []}]),
        ("/sample/notes/{note_id}", "delete", [{"bearer": []}]),
    ],
)
def test_protected_operation_requires_bearer_token(
    sample_operations: Operations, path: str, method: str, security: Any
) -> None:
    assert sample_operations[path, method].get("security") == security


def test_response_schema_declares_constants(sample_document: Document) -> None:
    schema = sample_document["components"]["schemas"]["VerifyReply"]

    assert schema["properties"]["message"] == {"type": "string", "examples": ["Verified"]}
    assert schema["properties"]["success"] == {"type": "boolean", "const": True}
    assert schema["properties"]["at"]["type"] == ["string", "null"]
    assert schema["required"] == ["at", "message", "status", "success"]


def test_view_with_used_name_gets_a_longer_operation_id(sample_operations: Operations) -> None:
    assert sample_operations["/sample/hello", "get"]["operationId"] == "getHello"
    assert sample_operations["/hello", "get"]["operationId"] == "getOpenapiGetHello"
