"""The fields that say who somebody is, and the person as answers show one."""

import re
import unicodedata
from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts import addresses, passwords
from flaskauth.accounts.addresses import NotAnAddress
from flaskauth.foundation.current import settings
from flaskauth.foundation.schemas import Schema, Text, Time, fields

FORBIDDEN_IN_NAMES = re.compile(r"[<>]|://|www\.", re.IGNORECASE)
NO_EMAIL = "Invalid Email!"
INVISIBLE = {"Cc", "Cf", "Co", "Zl", "Zp"}
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"  # letters and signs that show nothing
JOINERS = "\u200c\u200d"  # written within names in Persian and in the scripts of India
LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
LONGEST_TAG = 16
MOST_MARKS = 4  # combining marks on one letter


class EmailField(Text):
    """An email address; loaded, an Address."""

    def __init__(self, **kwargs: Any) -> None:
        about = {"format": "email", "example": "grace@example.com", "description": "Compared without regard to case"}
        super().__init__(most=254, metadata=about, error_messages={"null": NO_EMAIL}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return addresses.parse(super()._deserialize(value, attr, data, **kwargs))
        except (NotAnAddress, ValidationError):
            raise ValidationError(NO_EMAIL) from None


class PasswordField(Text):
    """A password as it was typed: never trimmed, never echoed."""

    def __init__(self, **kwargs: Any) -> None:
        about = {
            "format": "password",
            "example": "seven green kettles",
            "description": f"As typed; at most {passwords.LONGEST_BYTES} bytes of UTF-8",
        }
        super().__init__(most=passwords.LONGEST, metadata=about, load_only=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text.encode()) > passwords.LONGEST_BYTES:
            raise ValidationError(f"Must be at most {passwords.LONGEST_BYTES} bytes long.")
        return text


class NameField(Text):
    """A name: it goes into mails, so nothing in it may look like a link, a tag or another line."""

    def __init__(self, example: str, **kwargs: Any) -> None:
        super().__init__(most=100, metadata={"example": example, "description": "For mails and the profile"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = value.strip() if isinstance(value, str) else value
        text = super()._deserialize(name, attr, data, **kwargs)
        if not is_name(text):
            raise ValidationError("Contains characters that names do not have.")
        return text


class LocaleField(Text):
    """A language tag such as en or pt-BR (RFC 5646)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            least=2,
            most=LONGEST_TAG,
            metadata={"example": "en", "description": "Language of mails, as a tag (RFC 5646)"},
            **kwargs,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        tag = super()._deserialize(value, attr, data, **kwargs)
        if not is_language_tag(tag):
            raise ValidationError("Not a language tag.")
        return tag


class HomeSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    code = fields.String(required=True)


class AvatarField(fields.String):
    """The name of a picture, said as where it is."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return f"{settings().public_url}/avatars/{value}" if value is not None else None


class UserSchema(Schema):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    first_name = fields.String(required=True)
    last_name = fields.String(required=True)
    avatar = AvatarField(required=True, allow_none=True, metadata={"format": "uri"})
    country_id = fields.Integer(required=True, allow_none=True)
    country = fields.Nested(HomeSchema, required=True, allow_none=True)
    is_verified = fields.Boolean(required=True)
    created_at = Time(required=True)
    updated_at = Time(required=True, allow_none=True)


def country_code(**kwargs: Any) -> Text:
    """The field of an ISO 3166-1 alpha-2 code."""
    return Text(least=2, most=2, metadata={"example": "NG", "description": "ISO 3166-1 alpha-2"}, **kwargs)


def is_name(text: str) -> bool:
    """Whether it shows, and nothing in it looks like a link, a tag or another line."""
    return not (FORBIDDEN_IN_NAMES.search(text) or _has_odd_letters(text) or any(map(_is_no_character, text)))


def is_language_tag(text: str) -> bool:
    """Whether it is a tag such as en or pt-BR, short enough to be kept."""
    return len(text) <= LONGEST_TAG and LANGUAGE_TAG.fullmatch(text) is not None


def _has_odd_letters(text: str) -> bool:
    kinds = [unicodedata.category(letter) for letter in text if letter not in JOINERS + BLANKS]
    marks = "".join("m" if kind in {"Mn", "Me"} else " " for kind in kinds)
    shows = any(kind[0] in "LNPS" for kind in kinds)
    return not shows or not INVISIBLE.isdisjoint(kinds) or "m" * (MOST_MARKS + 1) in marks


def _is_no_character(letter: str) -> bool:
    """Code points that Unicode never gives to a letter, which programs behind a mail server may choke on."""
    return ord(letter) & 0xFFFE == 0xFFFE or "\ufdd0" <= letter <= "\ufdef"
