"""OpenAPI error responses: one shared response for each status, with an example for each code."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from itertools import groupby
from operator import attrgetter, or_
from typing import Any

from marshmallow import Schema
from werkzeug.http import HTTP_STATUS_CODES

from flaskauth.core import errors
from flaskauth.core.errors import APIError, RetryableError, ValidationFailed
from flaskauth.core.http import request as http_request
from flaskauth.core.http.schemas import ErrorSchema

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
OTHER_CLIENT_ERRORS = "4XX"


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


def error_schema(views: Iterable[Callable[..., object]]) -> type[Schema]:
    """Return the schema of an error response, with the `detail_fields` of the errors that these views declare."""
    declared = (error_class for view in views for error_class in http_request.declared_errors(view).values())
    detail_fields = (getattr(error_class, "detail_fields", {}) for error_class in declared)
    return ErrorSchema.from_dict(reduce(or_, detail_fields, {}))


def build_references(error_classes: Iterable[ErrorClass]) -> dict[str, JSONObject]:
    """Return a reference to the shared response of each status. Its description lists the codes of these errors."""
    references = {
        str(status): {
            "$ref": f"#/components/responses/{_component_name(status)}",
            "description": _description(status, group),
        }
        for status, group in _group_by_status(error_classes)
    }
    return {**references, OTHER_CLIENT_ERRORS: {"$ref": "#/components/responses/ClientError"}}


def build_components(error_classes: Iterable[ErrorClass]) -> dict[str, JSONObject]:
    """Return the shared responses. Clients must accept codes that are not listed: a later version may add some."""
    components = {
        _component_name(status): _build_response(_description(status, group), status, group)
        for status, group in _group_by_status(error_classes)
    }
    return {**components, "ClientError": _build_response("Any other error of the request", 400, [errors.BadRequest])}


def _group_by_status(error_classes: Iterable[ErrorClass]) -> list[tuple[int, list[ErrorClass]]]:
    by_status = groupby(sorted(error_classes, key=attrgetter("status", "code")), key=attrgetter("status"))
    return [(status, list(group)) for status, group in by_status]


def _component_name(status: int) -> str:
    return re.sub(r"\W", "", HTTP_STATUS_CODES.get(status, f"Error{status}"))


def _description(status: int, error_classes: Iterable[ErrorClass]) -> str:
    codes = dict.fromkeys(f"`{error_class.code}`" for error_class in error_classes)
    return f"{HTTP_STATUS_CODES.get(status, status)}: {', '.join(codes)}"


def _build_response(description: str, status: int, error_classes: list[ErrorClass]) -> JSONObject:
    examples = {error_class.code: {"value": _build_example(error_class)} for error_class in reversed(error_classes)}
    return {
        "description": description,
        **_build_headers(status, error_classes),
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "examples": dict(sorted(examples.items())),
            }
        },
    }


def _build_headers(status: int, error_classes: Iterable[ErrorClass]) -> Mapping[str, JSONObject]:
    names = {HEADER_BY_STATUS[status]} if status in HEADER_BY_STATUS else set()
    if any(issubclass(error_class, RetryableError) for error_class in error_classes):
        names.add("Retry-After")
    return {"headers": {name: HEADER_SPECS[name] for name in sorted(names)}} if names else {}


def _build_example(error_class: ErrorClass) -> JSONObject:
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
        body["errors"] = {"email": ["email is required!"]}
    return {**body, **getattr(error_class, "example", {})}
