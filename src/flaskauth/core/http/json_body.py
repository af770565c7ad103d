"""Strict parsing of JSON bodies and query strings.

A body must be one JSON object. Repeated keys in a body or query are rejected, because parsers read them differently.
"""

import json
import re
from collections.abc import Mapping
from typing import NoReturn, cast

from apiflask.schema_adapters.marshmallow import parser
from flask import Flask, Request, request
from marshmallow import Schema, ValidationError

from flaskauth.core.errors import BadRequest, TooLarge, UnsupportedMediaType, ValidationFailed
from flaskauth.core.translations import Text

MAX_BODY_BYTES = 64 * 1024  # bytes
TRACKING_PARAMETER = re.compile(r"utm_\w+|[gdw]clid|fbclid|msclkid|_")  # "_" makes the URLs of jQuery unique
MAX_BRACKETS = 1000  # valid bodies hardly nest, and the maximum depth depends on the parser


def init_app(app: Flask) -> None:
    """Limit bodies to 64 KiB, with or without Content-Length. A route for uploads sets `request.max_content_length`."""
    # One byte more: without Content-Length, werkzeug silently truncates the body at this length.
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES + 1


@parser.location_loader("json")
def load_json(req: Request, schema: Schema) -> object:
    """Return the parsed body, or an empty object if there is no body and the schema requires no field.

    A byte order mark is ignored (RFC 8259 section 8.1).

    Raises:
        BadRequest: the body is not valid JSON, nests too deeply, repeats a key or contains NaN or Infinity, or a
            Content-* header is not ASCII text.
        TooLarge, UnsupportedMediaType
    """
    body = read_body(req)
    is_optional = not any(field.required for field in schema.fields.values())
    if not body and is_optional and not req.content_type:
        return {}
    _check_content_type(req)
    if not body and is_optional:
        return {}
    return parse_json(body)


def parse_json(body: bytes) -> object:
    """Parse JSON strictly.

    Raises:
        BadRequest: it is not valid, nests too deeply, repeats a key, or contains NaN or Infinity.
    """
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise BadRequest
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadRequest from None


@parser.location_loader("query")
def load_query(req: Request, _schema: Schema) -> dict[str, str]:
    """Return the query parameters without those that links and browser libraries add.

    Raises:
        ValidationFailed: a parameter is repeated.
    """
    parameters = {name: values for name, values in req.args.lists() if not TRACKING_PARAMETER.fullmatch(name)}
    duplicates = {
        _field_name(name): ["Given more than once."] for name, values in parameters.items() if len(values) > 1
    }
    if duplicates:
        raise ValidationFailed(dict(sorted(duplicates.items())))
    return {name: values[0] for name, values in parameters.items()}


@parser.error_handler
def handle_validation_error(error: ValidationError, *_args: object, **_kwargs: object) -> NoReturn:
    """Raise 422 with a flat, sorted map of field to messages; `body` stands for the whole body."""
    messages = cast("dict[str, dict[str, object]]", error.messages)  # location -> field -> messages
    raise validation_failed({field: item for fields in messages.values() for field, item in fields.items()})


def validation_failed(messages: Mapping[str, object]) -> ValidationFailed:
    """Return the error with a flat, sorted map of field to messages."""
    errors = {_field_name(field): _flatten_messages(item) for field, item in messages.items()}
    return ValidationFailed(dict(sorted(errors.items())))


def read_body(req: Request) -> bytes:
    """Return the body.

    Raises:
        TooLarge
    """
    body = req.get_data()
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge
    return body


def check_content_headers(req: Request) -> None:
    """Raise 400 if a header that describes the body, such as Content-Type, is not ASCII text."""
    for name, value in req.headers:
        if name.startswith("Content-") and not value.isascii():
            raise BadRequest(message=Text("The header {name} must be ASCII text.", name=name))


def _check_content_type(req: Request) -> None:
    check_content_headers(req)
    charset = req.mimetype_params.get("charset", "utf-8").lower()
    is_single = "," not in (req.content_type or "")
    if req.mimetype != "application/json" or charset not in {"utf-8", "utf8"} or not is_single:
        raise UnsupportedMediaType
    if request.headers.get("Content-Encoding", "").lower() not in {"", "identity"}:
        raise UnsupportedMediaType


def _reject_duplicate_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("parsers differ on which value counts (RFC 8259 section 4)")
    return result


def _reject_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_reject_duplicate_keys, parse_constant=_reject_constant)


def _field_name(field: str) -> str:
    printable = field.encode("utf-8", "replace").decode()[:64]
    return "body" if field == "_schema" else printable


def _flatten_messages(messages: object) -> list[str]:
    if isinstance(messages, dict):
        return [message for nested in messages.values() for message in _flatten_messages(nested)]
    texts = messages if isinstance(messages, list) else [messages]
    # str() of a Text would lose the template that is translated.
    return [text if isinstance(text, str) else str(text) for text in texts]
