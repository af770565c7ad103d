"""Reads what a request brings strictly: a body is one JSON object, and in body and query each key stands once, so that
nothing is there that other readers would read otherwise.
"""

import json
from typing import Any, NoReturn, cast

from apiflask.schema_adapters.marshmallow import parser
from flask import Flask, Request, request
from marshmallow import Schema, ValidationError

from flaskauth.foundation.errors import BadRequest, InvalidInput, TooLarge, UnsupportedMediaType

LARGEST = 64 * 1024  # bytes
MOST_BRACKETS = 1000  # what is taken here hardly nests, and how deep a parser can go differs


class _Twice(ValueError):
    """A key stands twice; readers differ on which one counts (RFC 8259 section 4)."""


def init_app(app: Flask) -> None:
    """Read no body past 64 KiB, announced or not; a route that takes more sets `request.max_content_length`."""
    app.config["MAX_CONTENT_LENGTH"] = LARGEST + 1  # one more: without an announced length it is cut there in silence


@parser.location_loader("json")
def load_json(req: Request, schema: Schema) -> Any:
    """The body, parsed."""
    body = _read(req)
    if not body and not req.content_type and not any(field.required for field in schema.fields.values()):
        return {}
    _check_type(req)
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        raise BadRequest
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadRequest from None


@parser.location_loader("query")
def load_query(req: Request, _schema: Schema) -> dict[str, str]:
    """The parameters of the address."""
    twice = {_name(name): ["Given more than once."] for name, values in req.args.lists() if len(values) > 1}
    if twice:
        raise InvalidInput(dict(sorted(twice.items())))
    return req.args.to_dict()


@parser.error_handler
def refuse(error: ValidationError, *_args: object, **_kwargs: object) -> NoReturn:
    """422 with flat, sorted errors; `body` for what concerns the whole."""
    messages = cast("dict[str, Any]", error.messages)  # where it stood -> field -> what is wrong
    told = {_name(field): _flat(why) for fields in messages.values() for field, why in fields.items()}
    raise InvalidInput(dict(sorted(told.items())))


def _read(req: Request) -> bytes:
    body = req.get_data()
    if len(body) > LARGEST:
        raise TooLarge
    return body


def _check_type(req: Request) -> None:
    charset = req.mimetype_params.get("charset", "utf-8").lower()
    alone = "," not in (req.content_type or "")
    if req.mimetype != "application/json" or charset not in {"utf-8", "utf8"} or not alone:
        raise UnsupportedMediaType
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _name(field: str) -> str:
    printable = field.encode("utf-8", "replace").decode()[:64]
    return "body" if field == "_schema" else printable


def _flat(told: Any) -> list[str]:
    if isinstance(told, dict):
        return [sentence for inner in told.values() for sentence in _flat(inner)]
    return [str(sentence) for sentence in told] if isinstance(told, list) else [str(told)]
