"""Request fields for codes and their ids."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from flaskauth.core import crypto
from flaskauth.core.http.schemas import StrictString
from flaskauth.core.translations import Text

MAX_ID_LENGTH = 64  # characters
ID_BYTES = 16


class CodeField(StrictString):
    """A one-time code as the user typed it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, metadata={"example": "BCDF-2345", "description": "The mailed code"}, **kwargs)


class VerificationIdField(StrictString):
    """A 128-bit id in 22 base64url characters. It deserializes to bytes, or b"" if malformed."""

    def __init__(self, description: str, **kwargs: Any) -> None:
        metadata = {"example": "5f0mZ3u6T1yq2VxwQJ4b8A", "description": description}
        super().__init__(max_length=MAX_ID_LENGTH, metadata=metadata, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: object, **kwargs: object) -> str:
        return crypto.base64url_encode(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        raw = crypto.base64url_decode(super()._deserialize(value, attr, data, **kwargs))
        return raw if len(raw) == ID_BYTES else b""


def require_id_or_email(data: Mapping[str, object], id_field: str) -> None:
    """Reject a request that has both or neither of an id and an email address."""
    if (id_field in data) == ("email" in data):
        raise ValidationError(Text("Send {field} or email.", field=id_field), id_field)
