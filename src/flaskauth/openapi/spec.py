"""The OpenAPI document. APIFlask lists the routes; this module adds their security and error responses."""

import re
from collections.abc import Iterator
from threading import Lock
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from apiflask import APIFlask
from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from flask import current_app
from werkzeug.routing import Rule

from flaskauth.core.http.request import get_view
from flaskauth.core.http.schemas import RequestSchema, fields
from flaskauth.openapi import error_responses
from flaskauth.settings import Settings, is_loopback
from flaskauth.version import __version__

KEY = "flaskauth.openapi"
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `token` from a sign-in or refresh.",
}
SECURITY_BY_ACCESS: dict[str, list[dict[str, list[str]]]] = {
    "public": [],
    "guarded": [{"bearer": []}],
    "optional": [{}, {"bearer": []}],
}
DESCRIPTION = """\
Users register, verify their email address with a one-time code, and sign in. A sign-in returns a short-lived access
token and a refresh token.

Send JSON objects as `application/json`; unknown fields are rejected. An error response has a stable `code` for
programs, and a `message` for users, which follows `Accept-Language` and may change. A later version may return further
codes: treat an unknown one like its status. `request_id` identifies the request in the logs."""
TAG_DESCRIPTIONS = {
    "Registration": "Register an account and verify its email address.",
    "Sign-in": "Sign in, and confirm the factors before a sensitive operation.",
    "Sessions": "Refresh access tokens, sign out, list and revoke sessions.",
    "Passwords": "Reset a forgotten password, and change a known one.",
    "Second factors": "Add and remove authenticator apps, passkeys and security keys, and recover lost ones.",
    "Profile": "Read, change and export the data of the current user, list the events, and delete the account.",
    "Account": "Change the email address, revert the change, and report a sign-in.",
    "Avatars": "Upload, remove and get avatars.",
    "Reference": "Countries, regions, public keys and entry points.",
    "Operations": "Health checks and metrics.",
}
PARAMETER_DESCRIPTIONS = {
    "session_id": "The `id` of a session in `GET /auth/sessions`",
    "passkey_id": "The `id` of a passkey in `GET /users/factors`",
    "factor_id": "The `id` of a factor in `GET /users/factors`",
    "name": "The last part of the `avatar` URL of a user",
}

JSONObject = dict[str, Any]

_document_lock = Lock()


def init_app(app: APIFlask, settings: Settings) -> None:
    """Set the general part of the document, and disable the responses that APIFlask would add itself."""
    app.title, app.version = title(settings), __version__
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=DESCRIPTION,
        SERVERS=[{"url": _server_url(settings), "description": settings.app_name}],
        CONTACT={"name": settings.app_name, "url": settings.public_url},
        LICENSE={"name": "MIT", "identifier": "MIT"},
        SECURITY_SCHEMES={"bearer": BEARER},
        SUCCESS_DESCRIPTION="Success",
        AUTO_404_RESPONSE=False,
        AUTO_AUTH_ERROR_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    app.spec_plugins.append(SchemaPlugin())
    app.spec_processor(cast("Any", finalize_document))


def title(settings: Settings) -> str:
    return f"{settings.app_name} API"


def _server_url(settings: Settings) -> str:
    """Return PUBLIC_URL. A loopback URL becomes a path: clients resolve it against the URL of the document."""
    parts = urlsplit(settings.public_url)
    return parts.path or "/" if is_loopback(parts.hostname or "") else settings.public_url


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
        spec.components.schema("Error", schema=error_responses.error_schema(current_app.view_functions.values()))

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
    """Add the ids, security and error responses of the operations, and descriptions."""
    paths = document["paths"]
    document["paths"] = {path: paths[path] for path, _rule in _iter_rules() if path in paths}
    components = document["components"]
    documented_errors: dict[error_responses.ErrorClass, None] = {}  # in the order of the operations
    operation_ids: set[str] = set()
    for path, endpoint, method, operation in _iter_operations(document["paths"]):
        view = get_view(endpoint)
        _require_body(operation, components["schemas"])
        _set_operation_id(operation, method, endpoint, operation_ids)
        operation["security"] = SECURITY_BY_ACCESS[getattr(view, "access", "public")]
        error_classes = error_responses.collect_errors(view, path, operation)
        references = error_responses.build_references(error_classes)
        operation["responses"] = dict(sorted({**references, **operation["responses"]}.items()))
        documented_errors.update(dict.fromkeys(error_classes))
    components["responses"] = error_responses.build_components(documented_errors)
    codes = {error_class.code for error_class in documented_errors}
    components["schemas"]["Error"]["properties"]["code"]["examples"] = sorted(codes)
    document["tags"] = _describe_tags(document)
    _describe_parameters_and_integers(document)
    return document


def _iter_operations(paths: JSONObject) -> Iterator[tuple[str, str, str, JSONObject]]:
    """Yield the path, endpoint, method and content of every operation."""
    for path, rule in _iter_rules():
        for method in sorted(rule.methods or ()):
            if operation := paths.get(path, {}).get(method.lower()):
                yield path, rule.endpoint, method.lower(), operation


def _iter_rules() -> Iterator[tuple[str, Rule]]:
    """Yield every path with its rule, in the order of registration."""
    order = {endpoint: number for number, endpoint in enumerate(current_app.view_functions)}
    for rule in sorted(current_app.url_map.iter_rules(), key=lambda rule: order.get(rule.endpoint, len(order))):
        yield re.sub(r"<(?:[^<:]+:)?([^>]+)>", r"{\1}", rule.rule), rule


def _require_body(operation: JSONObject, schemas: JSONObject) -> None:
    """Mark the body as required if one of its fields is."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        operation["requestBody"]["required"] = bool(schema.get("required"))


def _set_operation_id(operation: JSONObject, method: str, endpoint: str, used: set[str]) -> None:
    """Name the operation after its view: `refresh_token` becomes `refreshToken`.

    If the name is used, such as by two blueprints of the host application, it includes the method and the blueprint.
    """
    name = _to_camel_case(endpoint.rpartition(".")[2])
    unique_name = name if name not in used else _to_camel_case(f"{method}_{endpoint}")
    used.add(operation.setdefault("operationId", unique_name))


def _to_camel_case(name: str) -> str:
    first, *others = re.split(r"[\W_]+", name.strip("_"))
    return first + "".join(f"{word[:1].upper()}{word[1:]}" for word in others)


def _describe_tags(document: JSONObject) -> list[JSONObject]:
    """Return the tags of the documented operations, each once."""
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    used = {tag for operation in operations for tag in operation.get("tags", [])}
    tags = {tag["name"]: tag for tag in document["tags"] if tag["name"] in used}
    return [
        {"description": TAG_DESCRIPTIONS[name], **tag} if name in TAG_DESCRIPTIONS else tag
        for name, tag in tags.items()
    ]


def _describe_parameters_and_integers(part: object) -> None:
    """Describe the path parameters, and give every integer 64 bits: ids exceed the 32 bits that generators assume."""
    if isinstance(part, list):
        for item in part:
            _describe_parameters_and_integers(item)
    elif isinstance(part, dict):
        if part.get("in") == "path" and part["name"] in PARAMETER_DESCRIPTIONS:
            part.setdefault("description", PARAMETER_DESCRIPTIONS[part["name"]])
        if part.get("type") in ("integer", ["integer", "null"]):
            part.setdefault("format", "int64")
        for value in part.values():
            _describe_parameters_and_integers(value)


def _constant_attributes(_converter: object, field: fields.Field[Any], ret: JSONObject) -> JSONObject:
    if not isinstance(field, fields.Constant):
        return {}
    ret.pop("default", None)
    return {"const": field.constant} if "const" in field.metadata else {}  # the text of a message may change


def _is_always_present(field: fields.Field[Any]) -> bool:
    return field.required or isinstance(field, fields.Constant)
