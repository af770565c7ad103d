"""HTML forms. The schemas of the API validate them."""

from collections.abc import Mapping, Sequence
from typing import IO, TypeVar, cast

from flask import request
from marshmallow import RAISE, ValidationError
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from flaskauth.core.errors import APIError, TooLarge, ValidationFailed
from flaskauth.core.http import json_body, uploads
from flaskauth.core.http.schemas import RequestSchema, StrictBoolean, fields
from flaskauth.core.http.uploads import UploadSchema
from flaskauth.core.translations import Text

T = TypeVar("T")

MISSING = Text("Please fill in this field.")
UNTICKED = Text("Tick the box to confirm.")
TOO_LARGE = Text("The file is larger than 5 MB.")
LABELS = {
    "first_name": Text("First name"),
    "last_name": Text("Last name"),
    "email": Text("Email address"),
    "password": Text("Password"),
    "current_password": Text("Current password"),
    "otp": Text("Code"),
    "recovery_code": Text("Recovery code"),
    "name": Text("Name"),
    "country": Text("Country"),
}
HIDDEN_FIELDS = {"password", "current_password", "otp", "recovery_code", "credential", "passkey", "token"}


def load(schema: type[RequestSchema], kind: type[T], **values: object) -> T:
    """Return the object that the schema loads from the form, or from the query of a GET request.

    Empty inputs count as missing.

    Args:
        kind: the type of the object.
        values: fields that are not in the form. None is a missing field.

    Raises:
        ValidationFailed
    """
    instance = schema()
    submitted = {name: _parse(name, field) for name, field in instance.fields.items() if name not in values}
    body = {name: value for name, value in {**submitted, **values}.items() if value is not None}
    try:
        result = instance.load(body)
    except ValidationError as error:
        raise json_body.validation_failed(cast("Mapping[str, object]", error.messages)) from None
    assert isinstance(result, kind)
    return result


def load_file(schema: type[UploadSchema], name: str) -> IO[bytes]:
    """Return the file of an upload.

    Raises:
        ValidationFailed, ExpectedMultipart, MalformedMultipart, Unavailable
    """
    instance = schema()
    try:
        files = instance.load(uploads.load_form(request, instance), unknown=RAISE)
    except (TooLarge, RequestEntityTooLarge):
        request.form = ImmutableMultiDict()  # the page with the error must not read the body again
        raise ValidationFailed({name: [TOO_LARGE]}) from None
    except ValidationError as error:
        raise json_body.validation_failed(cast("Mapping[str, object]", error.messages)) from None
    return cast("IO[bytes]", files[name])


def selected_factor(kinds: Sequence[str]) -> dict[str, object]:
    """Return the kinds of factors, and the one that the form asks for: the best, or the one that the user selected."""
    selected = request.values.get("method", "")
    return {"factors": kinds, "method": selected if selected in kinds else (*kinds, "recovery_code")[0]}


def submitted_values() -> dict[str, str]:
    """Return what the user entered, without secrets, to show it again."""
    return {name: value for name, value in request.form.items() if name not in HIDDEN_FIELDS}


def errors_by_field(error: APIError | None) -> dict[str, list[str]]:
    """Return the messages of an error for each field, in the order of the fields on the pages."""
    errors = cast("Mapping[str, list[str]]", error.details.get("errors", {})) if error else {}
    order = [*LABELS, *errors]
    return {name: [_for_users(message) for message in errors[name]] for name in sorted(errors, key=order.index)}


def _for_users(message: str) -> str:
    """Replace the message for a missing field, which contains the name of the field in the API."""
    return MISSING if getattr(message, "template", "") == "{field} is required!" else message


def _parse(name: str, field: fields.Field[object]) -> object:
    """Return the value of an input for a field of the API, or None if it is missing."""
    text = (request.args if request.method == "GET" else request.form).get(name)
    if isinstance(field, StrictBoolean):
        return text is not None
    if not text:
        return "" if text == "" and getattr(field, "min_length", 1) == 0 else None
    return json_body.parse_json(text.encode()) if isinstance(field, fields.Dict) else text
