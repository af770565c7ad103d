"""The fields by which a code and its door are named."""

from typing import Any

from flaskauth.foundation import crypto
from flaskauth.foundation.schemas import Text

LONGEST_ID = 64  # characters
ID_BYTES = 16


class CodeField(Text):
    """A one-time code as it was typed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=64, metadata={"example": "BCDF-2345", "description": "The code from the mail"}, **kwargs)


class DoorField(Text):
    """22 letters that stand for 128 bits; loaded, the bytes. What was not made here is an id of nothing."""

    def __init__(self, description: str, **kwargs: Any) -> None:
        about = {"example": "5f0mZ3u6T1yq2VxwQJ4b8A", "description": description}
        super().__init__(most=LONGEST_ID, metadata=about, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return crypto.encode(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        raw = crypto.decode(super()._deserialize(value, attr, data, **kwargs))
        return raw if len(raw) == ID_BYTES else b""
