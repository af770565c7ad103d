"""How the tests read an OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from openapi_schema_validator import OAS31Validator

NOT_DESCRIBED = ("/dev/", "/docs", "/static/")
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}

Document = dict[str, Any]
Operation = dict[str, Any]


def operations(document: Document) -> dict[tuple[str, str], Operation]:
    """Every operation by its path and method."""
    return {(path, method): told for path, item in document["paths"].items() for method, told in item.items()}


def routes(app: Flask) -> Iterator[tuple[tuple[str, str], Any]]:
    """Every route that belongs in the document by its path and method, with its view."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<:]+:)?(\w+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) & METHODS:
            if not path.startswith(NOT_DESCRIBED):
                yield (path, method.lower()), app.view_functions[rule.endpoint]


def refused(operation: Operation) -> dict[int, list[str]]:
    """The codes of an operation by status."""
    schemas = {int(status): content(told)["schema"] for status, told in operation["responses"].items() if status >= "4"}
    return {status: schema["allOf"][1]["properties"]["code"]["enum"] for status, schema in schemas.items()}


def content(response: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = response["content"]["application/json"]
    return found


def faults(document: Document, schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with a value under a schema of the document."""
    validator = OAS31Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(value)]
