"""Helpers that read an OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from openapi_schema_validator import OAS31Validator
from tests.support.route_catalog import is_page

UNDOCUMENTED = ("/dev/", "/docs", "/static/", "/.well-known/change-password")  # pages, and a redirect to one
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}

Document = dict[str, Any]
Operation = dict[str, Any]


def operations(document: Document) -> dict[tuple[str, str], Operation]:
    """Return every operation by path and method."""
    return {(path, method): operation for path, item in document["paths"].items() for method, operation in item.items()}


def documented_routes(app: Flask) -> Iterator[tuple[tuple[str, str], Any]]:
    """Yield the path, method and view of every route that must be documented."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<:]+:)?(\w+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) & METHODS:
            if not (path.startswith(UNDOCUMENTED) or is_page(rule)):
                yield (path, method.lower()), app.view_functions[rule.endpoint]


def error_codes(operation: Operation) -> dict[int, list[str]]:
    """Return the error codes of an operation by status."""
    return {
        int(status): re.findall(r"`(\w+)`", response["description"])
        for status, response in operation["responses"].items()
        if status.isdigit() and status >= "4"
    }


def resolve(document: Document, response: dict[str, Any]) -> dict[str, Any]:
    """Return the shared response that a response refers to."""
    shared: dict[str, Any] = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return shared


def json_content(response: dict[str, Any]) -> dict[str, Any]:
    media_type: dict[str, Any] = response["content"]["application/json"]
    return media_type


def schema_errors(document: Document, schema: dict[str, Any], value: Any) -> list[str]:
    """Return the errors of a value under a schema of the document."""
    validator = OAS31Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(value)]
