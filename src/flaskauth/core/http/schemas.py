"""Base schemas of requests, responses and errors, and strict field types."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from apiflask import Schema
from marshmallow import EXCLUDE, RAISE, ValidationError, fields, post_load, validates_schema

from flaskauth.core.clock import to_rfc3339
from flaskauth.core.translations import Text

MAX_ID = 2**53 - 1


class StrictString(fields.String):
    """A string of `min_length` to `max_length` characters, without NUL and lone surrogates."""

    def __init__(self, *, min_length: int = 1, max_length: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.min_length, self.max_length = min_length, max_length
        self.metadata = {"minLength": min_length, "maxLength": max_length, **self.metadata}

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ValidationError("Contains invalid characters.")
        if not self.min_length <= len(text) <= self.max_length:
            raise ValidationError(self._length_message())
        return text

    def _length_message(self) -> Text:
        if self.min_length == self.max_length:
            return Text("Must be exactly {count} characters long.", count=self.max_length)
        return Text("Must be {minimum} to {maximum} characters long.", minimum=self.min_length, maximum=self.max_length)


class StrictInteger(fields.Integer):
    """A JSON integer; strings, fractions and booleans are rejected."""

    def __init__(self, *, minimum: int = 1, maximum: int = MAX_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum
        self.metadata = {"minimum": minimum, "maximum": maximum, **self.metadata}

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object) -> int:
        if type(value) is not int or not self.minimum <= value <= self.maximum:
            raise ValidationError("Not a valid integer.")
        return value


class QueryInteger(StrictInteger):
    """An integer in a query string, written in decimal digits."""

    def _deserialize(self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object) -> int:
        number = int(value) if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,15}", value) else None
        return super()._deserialize(number, attr, data, **kwargs)


class StrictBoolean(fields.Boolean):
    """A JSON boolean; strings and numbers are rejected."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Not a valid boolean.")
        return value


class UTCTimestamp(fields.Field[datetime]):
    """A point in time, serialized as 2026-01-10T16:43:48Z."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"type": "string", "format": "date-time", **self.metadata}

    def _serialize(self, value: datetime | None, attr: str | None, obj: object, **kwargs: object) -> str | None:
        return to_rfc3339(value) if value is not None else None


class RequestSchema(Schema):
    """A request body. It loads into an instance of `factory`, and rejects unknown fields."""

    factory: ClassVar[Callable[..., object]] = dict

    class Meta:
        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        required = Text("{field} is required!", field=field_name)
        field_obj.error_messages = {**field_obj.error_messages, "required": required}
        super().on_bind_field(field_name, field_obj)

    @post_load
    def make_object(self, data: dict[str, object], **_kwargs: object) -> object:
        return self.factory(**data)


def message_field(text: str) -> fields.Constant[str]:
    """Return a field with the message of a response. Its text may change, so it is documented as an example."""
    return fields.Constant(text, metadata={"type": "string", "examples": [text]})


class ResponseSchema(Schema):
    """The body of a successful response."""

    class Meta:
        unknown = EXCLUDE

    status = fields.Constant("Success", metadata={"type": "string", "const": "Success"})
    success = fields.Constant(True, metadata={"type": "boolean", "const": True})
    message: fields.Field[str] = message_field("Done")


class ErrorSchema(Schema):
    """The body of an error response."""

    status = fields.Constant("Error", metadata={"type": "string", "const": "Error"})
    success = fields.Constant(False, metadata={"type": "boolean", "const": False})
    message = fields.String(required=True, metadata={"description": "Text for users; it may change."})
    code = fields.String(
        required=True, metadata={"description": "Stable code for clients. A later version may add further codes."}
    )
    request_id = fields.String(required=True, metadata={"description": "Identifies the request in the logs"})
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Texts for users by field; `body` stands for the whole body"},
    )
    retry_after = fields.Integer(metadata={"description": "Seconds, as in the Retry-After header."})


__all__ = [
    "ErrorSchema",
    "QueryInteger",
    "RequestSchema",
    "ResponseSchema",
    "Schema",
    "StrictBoolean",
    "StrictInteger",
    "StrictString",
    "UTCTimestamp",
    "fields",
    "message_field",
    "validates_schema",
]
