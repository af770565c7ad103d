"""The OpenAPI document. APIFlask lists the routes; this module adds their security and error responses."""

import re
from collections.abc import Callable, Iterator
from importlib import metadata
from threading import Lock
from typing import Any, cast

import orjson
from apiflask import APIFlask
from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from flask import current_app
from werkzeug.routing import Rule

from flaskauth.core.http.request import get_view
from flaskauth.core.http.schemas import ErrorSchema, RequestSchema, fields
from flaskauth.openapi import error_responses
from flaskauth.settings import Settings

KEY = "flaskauth.openapi"
HIDDEN_PREFIX = "/dev/"
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `token` from a sign-in or refresh.",
}
SECURITY_BY_ACCESS: dict[str, list[dict[str, list[str]]]] = {
    "guarded": [{"bearer": []}],
    "optional": [{}, {"bearer": []}],
}
JSON_TYPES = {str: "string", bool: "boolean", int: "integer"}
DESCRIPTION = """\
Users register, verify their email address with a one-time code, and sign in. A sign-in returns a short-lived access
token and a refresh token.

Send JSON objects as `application/json`; unknown fields are rejected. An error response has a stable `code` for
programs, and a `message` for users that may change. `request_id` identifies the request in the logs."""

JSONObject = dict[str, Any]

_document_lock = Lock()


def init_app(app: APIFlask, settings: Settings) -> None:
    """Set the general part of the document, and disable the responses that APIFlask would add itself."""
    app.title, app.version = title(settings), version()
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=DESCRIPTION,
        SERVERS=[{"url": settings.public_url}],
        SECURITY_SCHEMES={"bearer": BEARER},
        SUCCESS_DESCRIPTION="Success",
        AUTO_OPERATION_ID=True,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    app.spec_plugins.append(SchemaPlugin())
    app.spec_processor(cast("Any", finalize_document))


def title(settings: Settings) -> str:
    return f"{settings.app_name} API"


def version() -> str:
    """Return the version of the installed package."""
    return metadata.version("flaskauth")


def document() -> bytes:
    """Return the document as JSON. It is built at the first call, when all blueprints are registered."""
    with _document_lock:
        if KEY not in current_app.extensions:
            current_app.extensions[KEY] = orjson.dumps(cast("APIFlask", current_app).spec)
    return cast("bytes", current_app.extensions[KEY])


class SchemaPlugin(BasePlugin):
    """Describes features of the schemas that apispec does not know: constants and unknown fields."""

    def init_spec(self, spec: APISpec) -> None:
        for plugin in spec.plugins:
            if isinstance(plugin, MarshmallowPlugin) and plugin.converter:
                plugin.converter.add_attribute_function(_constant_attributes)  # type: ignore[no-untyped-call]
        spec.components.schema("Error", schema=ErrorSchema)

    def schema_helper(self, name: str, definition: JSONObject, **kwargs: Any) -> JSONObject:
        """Return the names of the fields that are always present. Allow unknown fields in a response.

        Only requests reject unknown fields. A later version may add fields to a response.
        """
        if "schema" not in kwargs:
            return {}
        schema = resolve_schema_instance(kwargs["schema"])
        if not isinstance(schema, RequestSchema):
            definition.pop("additionalProperties", None)
        always_present = [field.data_key or key for key, field in schema.fields.items() if _is_always_present(field)]
        return {"required": sorted(always_present)} if always_present else {}


def finalize_document(document: JSONObject) -> JSONObject:
    """Add the security and the error responses of each route, and remove development routes."""
    paths = document["paths"]
    document["paths"] = {
        path: paths[path] for path, _rule in _iter_rules() if path in paths and not path.startswith(HIDDEN_PREFIX)
    }
    schemas, used = document["components"]["schemas"], set()
    for path, view, operation in _iter_operations(document["paths"]):
        required = _require_body(operation, schemas)
        if access := SECURITY_BY_ACCESS.get(getattr(view, "access", "public")):
            operation["security"] = access
        responses = error_responses.build_responses(error_responses.collect_errors(view, path, operation), required)
        operation["responses"] = dict(sorted({**responses, **operation["responses"]}.items()))
        used.update(operation.get("tags", []))
    document["tags"] = list({tag["name"]: tag for tag in document["tags"] if tag["name"] in used}.values())
    return document


def _iter_operations(paths: JSONObject) -> Iterator[tuple[str, Callable[..., object], JSONObject]]:
    for path, rule in _iter_rules():
        for method in rule.methods or ():
            if operation := paths.get(path, {}).get(method.lower()):
                yield path, get_view(rule.endpoint), operation


def _iter_rules() -> Iterator[tuple[str, Rule]]:
    """Yield every path with its rule, in the order of registration."""
    order = {endpoint: number for number, endpoint in enumerate(current_app.view_functions)}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: order.get(rule.endpoint, len(order))):
        yield re.sub(r"<(?:[^<:]+:)?([^>]+)>", r"{\1}", rule.rule), rule


def _require_body(operation: JSONObject, schemas: JSONObject) -> list[str]:
    """Return the required fields of the body, and mark the body as required if there are any."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        operation["requestBody"]["required"] = bool(schema.get("required"))
        return list(schema.get("required", []))
    return []


def _constant_attributes(_converter: object, field: fields.Field[Any], ret: JSONObject) -> JSONObject:
    if not isinstance(field, fields.Constant):
        return {}
    ret.pop("default", None)
    return {"type": JSON_TYPES[type(field.constant)], "const": field.constant}


def _is_always_present(field: fields.Field[Any]) -> bool:
    return field.required or isinstance(field, fields.Constant)
