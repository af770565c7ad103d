"""OpenAPI error responses of a route, grouped by status, with an example for each code."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from flaskauth.core import errors
from flaskauth.core.errors import APIError, RetryableError, ValidationFailed
from flaskauth.core.http import request as http_request

JSONObject = dict[str, Any]
ErrorClass = type[APIError]

BODY_ERRORS = (errors.BadRequest, errors.TooLarge, errors.UnsupportedMediaType, ValidationFailed)
WITHOUT_DATABASE = {"/", "/hello", "/health/live", "/.well-known/jwks.json", "/openapi.json"}
EXAMPLE_RETRY_AFTER = 30  # seconds, in examples
EXAMPLE_REQUEST_ID = "5f0c6b1e9d3a4c7f8b2e1a0d9c8b7a6f"
HEADER_BY_STATUS = {401: "WWW-Authenticate", 405: "Allow"}
HEADER_SPECS: dict[str, JSONObject] = {
    "Allow": {"description": "Methods that this URL supports.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Delay before the next request, in seconds.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "Authentication scheme (RFC 6750).", "schema": {"type": "string"}},
}


def collect_errors(view: Callable[..., object], path: str, operation: JSONObject) -> list[ErrorClass]:
    """Return the errors of an operation: those that it declares, and those of its input and of the database."""
    error_classes: list[ErrorClass] = [*BODY_ERRORS] if "requestBody" in operation else []
    if any(parameter["in"] != "path" for parameter in operation.get("parameters", [])):
        error_classes.append(ValidationFailed)
    if path not in WITHOUT_DATABASE:
        error_classes.append(errors.Unavailable)
    return list(
        {
            **{error_class.code: error_class for error_class in error_classes},
            **http_request.declared_errors(view),
        }.values()
    )


def build_responses(error_classes: Iterable[ErrorClass], required: list[str]) -> dict[str, JSONObject]:
    """Return a response for each status. `required` lists fields that the example of invalid input omits."""
    by_status = groupby(sorted(error_classes, key=attrgetter("status", "code")), key=attrgetter("status"))
    return {str(status): _build_response(status, list(group), required) for status, group in by_status}


def _build_response(status: int, error_classes: list[ErrorClass], required: list[str]) -> JSONObject:
    codes = [error_class.code for error_class in error_classes]
    code_schema = {"properties": {"code": {"enum": codes}}}
    examples = {error_class.code: {"value": _build_example(error_class, required)} for error_class in error_classes}
    schema = {"allOf": [{"$ref": "#/components/schemas/Error"}, code_schema]}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}",
        **_build_headers(status, error_classes),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _build_headers(status: int, error_classes: list[ErrorClass]) -> JSONObject:
    names = {HEADER_BY_STATUS[status]} if status in HEADER_BY_STATUS else set()
    if any(issubclass(error_class, RetryableError) for error_class in error_classes):
        names.add("Retry-After")
    return {"headers": {name: HEADER_SPECS[name] for name in sorted(names)}} if names else {}


def _build_example(error_class: ErrorClass, required: list[str]) -> JSONObject:
    body = {
        "status": "Error",
        "success": False,
        "message": error_class.message,
        "code": error_class.code,
        "request_id": EXAMPLE_REQUEST_ID,
    }
    if issubclass(error_class, RetryableError):
        body["retry_after"] = EXAMPLE_RETRY_AFTER
    if issubclass(error_class, ValidationFailed):
        body["errors"] = _example_errors(required)
    return {**body, **getattr(error_class, "example", {})}


def _example_errors(required: list[str]) -> dict[str, list[str]]:
    return {name: [f"{name} is required!"] for name in required[:1]} or {"body": ["Invalid input type."]}
