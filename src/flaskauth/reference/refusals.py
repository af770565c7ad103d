"""The refusals of a route as OpenAPI responses: by status, each code named, each with an example."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import groupby
from operator import attrgetter
from typing import Any

from flaskauth.foundation import errors, http
from flaskauth.foundation.errors import InvalidInput, Later, Problem

Json = dict[str, Any]
Kind = type[Problem]

OF_A_BODY = (errors.BadRequest, errors.TooLarge, errors.UnsupportedMediaType, InvalidInput)
WITHOUT_DATABASE = {"/", "/hello", "/health/live", "/.well-known/jwks.json", "/openapi.json"}
WAIT = 30  # seconds, in examples
REQUEST_ID = "5f0c6b1e9d3a4c7f8b2e1a0d9c8b7a6f"
HEADER_OF = {401: "WWW-Authenticate", 405: "Allow"}
HEADERS: dict[str, Json] = {
    "Allow": {"description": "The methods that this address answers to.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to bring a credential (RFC 6750).", "schema": {"type": "string"}},
}


def of(view: Callable[..., Any], path: str, operation: Json) -> list[Kind]:
    """Every refusal of an operation: what reading its input and the database can give, and what it declared."""
    found: list[Kind] = [*OF_A_BODY] if "requestBody" in operation else []
    if any(parameter["in"] != "path" for parameter in operation.get("parameters", [])):
        found.append(InvalidInput)
    if path not in WITHOUT_DATABASE:
        found.append(errors.Unavailable)
    return list({**{kind.code: kind for kind in found}, **http.refusals(view)}.values())


def responses(kinds: Iterable[Kind], required: list[str]) -> dict[str, Json]:
    """A response for each status; `required` are the fields that the example of a bad body leaves out."""
    by_status = groupby(sorted(kinds, key=attrgetter("status", "code")), key=attrgetter("status"))
    return {str(status): _response(status, list(told), required) for status, told in by_status}


def _response(status: int, kinds: list[Kind], required: list[str]) -> Json:
    codes = [kind.code for kind in kinds]
    narrowed = {"properties": {"code": {"enum": codes}}}
    examples = {kind.code: {"value": _example(kind, required)} for kind in kinds}
    schema = {"allOf": [{"$ref": "#/components/schemas/Refusal"}, narrowed]}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}",
        **_headers(status, kinds),
        "content": {"application/json": {"schema": schema, "examples": examples}},
    }


def _headers(status: int, kinds: list[Kind]) -> Json:
    names = {HEADER_OF[status]} if status in HEADER_OF else set()
    if any(issubclass(kind, Later) for kind in kinds):
        names.add("Retry-After")
    return {"headers": {name: HEADERS[name] for name in sorted(names)}} if names else {}


def _example(kind: Kind, required: list[str]) -> Json:
    said = {"status": "Error", "success": False, "message": kind.message, "code": kind.code, "request_id": REQUEST_ID}
    if issubclass(kind, Later):
        said["retry_after"] = WAIT
    if issubclass(kind, InvalidInput):
        said["errors"] = _errors(required)
    return {**said, **getattr(kind, "example", {})}


def _errors(required: list[str]) -> dict[str, list[str]]:
    return {name: [f"{name} is required!"] for name in required[:1]} or {"body": ["Invalid input type."]}
