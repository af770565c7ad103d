"""The shapes of what is heard and said: strict fields, the form that becomes an object, the reply with its sentence."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from apiflask import Schema
from marshmallow import EXCLUDE, RAISE, ValidationError, fields, post_load, validates_schema

from flaskauth.foundation.clock import stamp

LARGEST_ID = 2**53 - 1


class Text(fields.String):
    """A string without NUL or lone surrogates, of at most so many characters."""

    def __init__(self, *, least: int = 1, most: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most
        self.metadata = {"minLength": least, "maxLength": most, **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValidationError("Contains characters that are not text.")
        if not self.least <= len(text) <= self.most:
            raise ValidationError(f"Must be {self.least} to {self.most} characters long.")
        return text


class Whole(fields.Integer):
    """A whole number written as one: no text, no fraction, no truth value."""

    def __init__(self, *, least: int = 1, most: int = LARGEST_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most
        self.metadata = {"minimum": least, "maximum": most, **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int or not self.least <= value <= self.most:
            raise ValidationError("Not a valid whole number.")
        return value


class Digits(Whole):
    """A whole number of an address's query, as digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        is_plain = isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,15}", value)
        return super()._deserialize(int(value) if is_plain else None, attr, data, **kwargs)


class Time(fields.Field[Any]):
    """A moment, said as 2026-01-10T16:43:48Z."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"type": "string", "format": "date-time", **self.metadata}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return stamp(value) if value is not None else None


class Form(Schema):
    """What a call takes; loaded, an object of `makes`. Unknown fields are refused, missing ones say their name."""

    makes: ClassVar[Callable[..., Any]] = dict

    class Meta:
        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.error_messages = {**field_obj.error_messages, "required": f"{field_name} is required!"}
        super().on_bind_field(field_name, field_obj)

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: Any) -> Any:
        return self.makes(**data)


def sentence(text: str) -> fields.Constant[str]:
    """The message of a reply."""
    return fields.Constant(text, metadata={"type": "string", "const": text})


class Reply(Schema):
    """What every call says when it did what it was asked."""

    class Meta:
        unknown = EXCLUDE

    status = sentence("Success")
    success = fields.Constant(True, metadata={"type": "boolean", "const": True})
    message: fields.Field[Any] = sentence("Done")


class Refusal(Schema):
    """What every call says when it did not."""

    status = sentence("Error")
    success = fields.Constant(False, metadata={"type": "boolean", "const": False})
    message = fields.String(required=True, metadata={"description": "For people."})
    code = fields.String(required=True, metadata={"description": "For programs."})
    request_id = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    retry_after = fields.Integer(metadata={"description": "Seconds; as the header Retry-After."})


__all__ = [
    "Digits",
    "Form",
    "Refusal",
    "Reply",
    "Schema",
    "Text",
    "Time",
    "Whole",
    "fields",
    "sentence",
    "validates_schema",
]
