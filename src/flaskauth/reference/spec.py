"""The OpenAPI document: APIFlask lists the routes, this adds who may call them and every refusal they can give."""

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

from flaskauth.foundation.http import view_of
from flaskauth.foundation.schemas import Form, Refusal, fields
from flaskauth.reference import refusals
from flaskauth.settings import Settings

KEY = "flaskauth.reference"
HIDDEN = "/dev/"
BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The `token` of a sign-in."}
SECURITY: dict[str, list[dict[str, list[str]]]] = {"guarded": [{"bearer": []}], "optional": [{}, {"bearer": []}]}
TYPES = {str: "string", bool: "boolean", int: "integer"}
DESCRIPTION = """\
People register with an address that they prove with a one-time code, sign in, and carry a short access token and a
refresh token.

Send JSON objects as `application/json`; unknown fields are refused. A refusal names its `code`, which is for programs
and stays; its `message` is for people and may change. `request_id` finds the request in the logs."""

Json = dict[str, Any]

_making = Lock()


def init_app(app: APIFlask, settings: Settings) -> None:
    """Tell APIFlask what to say of the API as a whole, and what not to make up."""
    app.title, app.version = title(settings), version()
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=DESCRIPTION,
        SERVERS=[{"url": settings.public_url}],
        SECURITY_SCHEMES={"bearer": BEARER},
        SUCCESS_DESCRIPTION="Done",
        AUTO_OPERATION_ID=True,
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    app.spec_plugins.append(House())
    app.spec_processor(cast("Any", finish))


def title(settings: Settings) -> str:
    return f"{settings.app_name} API"


def version() -> str:
    """The version of the package that runs."""
    return metadata.version("flaskauth")


def document() -> bytes:
    """The document as JSON, made when first asked for: by then every room has registered."""
    with _making:
        if KEY not in current_app.extensions:
            current_app.extensions[KEY] = orjson.dumps(cast("APIFlask", current_app).spec)
    return cast("bytes", current_app.extensions[KEY])


class House(BasePlugin):
    """What the house's schemas mean and apispec does not know."""

    def init_spec(self, spec: APISpec) -> None:
        for plugin in spec.plugins:
            if isinstance(plugin, MarshmallowPlugin) and plugin.converter:
                plugin.converter.add_attribute_function(_constant)  # type: ignore[no-untyped-call]
        spec.components.schema("Refusal", schema=Refusal)

    def schema_helper(self, name: str, definition: Json, **kwargs: Any) -> Json:
        """A reply always says its constants, and may one day say more; only a form refuses what it does not know."""
        if "schema" not in kwargs:
            return {}
        schema = resolve_schema_instance(kwargs["schema"])
        if not isinstance(schema, Form):
            definition.pop("additionalProperties", None)
        said = [field.data_key or key for key, field in schema.fields.items() if _is_said(field)]
        return {"required": sorted(said)} if said else {}


def finish(document: Json) -> Json:
    """The document with each route's guard and refusals, without what is only for development."""
    paths = document["paths"]
    document["paths"] = {path: paths[path] for path, _rule in _rules() if path in paths and not path.startswith(HIDDEN)}
    schemas, used = document["components"]["schemas"], set()
    for path, view, operation in _operations(document["paths"]):
        required = _require_body(operation, schemas)
        if access := SECURITY.get(getattr(view, "access", "public")):
            operation["security"] = access
        refused = refusals.responses(refusals.of(view, path, operation), required)
        operation["responses"] = dict(sorted({**refused, **operation["responses"]}.items()))
        used.update(operation.get("tags", []))
    document["tags"] = list({tag["name"]: tag for tag in document["tags"] if tag["name"] in used}.values())
    return document


def _operations(paths: Json) -> Iterator[tuple[str, Callable[..., Any], Json]]:
    for path, rule in _rules():
        for method in rule.methods or ():
            if operation := paths.get(path, {}).get(method.lower()):
                yield path, view_of(rule.endpoint), operation


def _rules() -> Iterator[tuple[str, Rule]]:
    """Every path with its rule, in the order in which the rooms registered them."""
    order = {endpoint: number for number, endpoint in enumerate(current_app.view_functions)}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: order.get(rule.endpoint, len(order))):
        yield re.sub(r"<(?:[^<:]+:)?([^>]+)>", r"{\1}", rule.rule), rule


def _require_body(operation: Json, schemas: Json) -> list[str]:
    """The fields that the body must have; where there are any, the body is required."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        operation["requestBody"]["required"] = bool(schema.get("required"))
        return list(schema.get("required", []))
    return []


def _constant(_converter: object, field: fields.Field[Any], ret: Json) -> Json:
    if not isinstance(field, fields.Constant):
        return {}
    ret.pop("default", None)
    return {"type": TYPES[type(field.constant)], "const": field.constant}


def _is_said(field: fields.Field[Any]) -> bool:
    return field.required or isinstance(field, fields.Constant)
