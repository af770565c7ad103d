"""Request fields for email addresses, passwords and names, and the user in responses."""

import re
import unicodedata
from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts import password_policy
from flaskauth.core import email_addresses
from flaskauth.core.context import settings
from flaskauth.core.email_addresses import InvalidEmail
from flaskauth.core.http.schemas import Schema, StrictString, UTCTimestamp, fields
from flaskauth.core.translations import Text
from flaskauth.mail import link_detection

FORBIDDEN_IN_NAMES = re.compile(r"[<>]|://|www\.")
INVALID_EMAIL_MESSAGE = "Invalid Email!"
INVISIBLE_CATEGORIES = {"Cc", "Cf", "Co", "Zl", "Zp"}
BLANK_CHARACTERS = "\u115f\u1160\u2800\u3164\uffa0"  # letters and symbols without a visible glyph
JOINERS = "\u200c\u200d"  # used in names in Persian and Indic scripts
LANGUAGE_TAG = re.compile(r"([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)(?:-[A-Za-z0-9](?:-[A-Za-z0-9]{1,8})+)?")
MAX_LANGUAGE_TAG_LENGTH = 64  # characters of the input
MAX_LOCALE_LENGTH = 16  # characters; the size of the column
MAX_COMBINING_MARKS = 4  # on one letter


class EmailField(fields.String):
    """An email address, with or without surrounding white space. It deserializes to an EmailAddress."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "format": "email",
            "minLength": 1,
            "maxLength": email_addresses.MAX_LENGTH,
            "example": "grace@example.com",
            "description": "Not case-sensitive; surrounding white space is ignored",
        }
        super().__init__(metadata=metadata, error_messages={"null": INVALID_EMAIL_MESSAGE}, **kwargs)

    def _deserialize(self, value: object, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return email_addresses.parse(super()._deserialize(value, attr, data, **kwargs))
        except (InvalidEmail, ValidationError):
            raise ValidationError(INVALID_EMAIL_MESSAGE) from None


class PasswordField(StrictString):
    """A password: never trimmed, never included in a response."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "format": "password",
            "example": "seven green kettles",
            "description": f"Not trimmed; at most {password_policy.MAX_BYTES} bytes of UTF-8",
        }
        super().__init__(max_length=password_policy.MAX_LENGTH, metadata=metadata, load_only=True, **kwargs)

    def _deserialize(self, value: object, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text.encode()) > password_policy.MAX_BYTES:
            raise ValidationError(Text("Must be at most {maximum} bytes long.", maximum=password_policy.MAX_BYTES))
        return text


class NewPasswordField(PasswordField):
    """A password to set. The password policy rejects one that is short but not empty."""

    def _length_message(self) -> Text:
        minimum = settings().password_min_length
        return Text("Must be {minimum} to {maximum} characters long.", minimum=minimum, maximum=self.max_length)


class NameField(StrictString):
    """A name. Names appear in mails, so URLs, tags and line breaks are rejected. `min_length=0` allows an empty one."""

    def __init__(self, example: str, *, max_length: int = 100, **kwargs: Any) -> None:
        metadata = {"example": example, "description": "Shown in mails and the profile"}
        super().__init__(max_length=max_length, metadata=metadata, **kwargs)

    def _deserialize(self, value: object, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = value.strip(email_addresses.WHITE_SPACE) if isinstance(value, str) else value
        text = super()._deserialize(name, attr, data, **kwargs)
        if text and not is_valid_name(text):
            raise ValidationError("Contains characters that are not allowed in names.")
        return text


class LocaleField(StrictString):
    """A language tag such as en or pt-BR (RFC 5646), or pt_BR as Android and iOS write it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_length=2,
            max_length=MAX_LANGUAGE_TAG_LENGTH,
            metadata={"example": "en", "description": "Language of mails, as a language tag (RFC 5646)"},
            **kwargs,
        )

    def _deserialize(self, value: object, attr: str | None, data: Any, **kwargs: Any) -> str:
        locale = parse_language_tag(super()._deserialize(value, attr, data, **kwargs))
        if locale is None:
            raise ValidationError("Not a valid language tag.")
        return locale


class CountryRefSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    code = fields.String(required=True)


class AvatarField(fields.String):
    """The file name of an avatar. It serializes to the avatar's URL."""

    def _serialize(self, value: object, attr: str | None, obj: object, **kwargs: object) -> str | None:
        return f"{settings().public_url}/avatars/{value}" if value is not None else None


class UserSchema(Schema):
    id = fields.Integer(required=True)
    email = fields.String(required=True)
    first_name = fields.String(required=True)
    last_name = fields.String(required=True)
    avatar = AvatarField(required=True, allow_none=True, metadata={"format": "uri"})
    country_id = fields.Integer(required=True, allow_none=True)
    country = fields.Nested(CountryRefSchema, required=True, allow_none=True)
    is_verified = fields.Boolean(required=True)
    created_at = UTCTimestamp(required=True)
    updated_at = UTCTimestamp(required=True, allow_none=True)


def country_code_field(**kwargs: Any) -> StrictString:
    """Return a field for an ISO 3166-1 alpha-2 code."""
    return StrictString(
        min_length=2, max_length=2, metadata={"example": "NG", "description": "ISO 3166-1 alpha-2"}, **kwargs
    )


def is_valid_name(text: str) -> bool:
    """Return True if the text is visible and contains no URL, tag, control character or line break."""
    categories = [unicodedata.category(letter) for letter in text if letter not in JOINERS + BLANK_CHARACTERS]
    marks = "".join("m" if category in {"Mn", "Me"} else " " for category in categories)
    is_visible = any(category[0] in "LNPS" for category in categories)
    return (
        is_visible
        and INVISIBLE_CATEGORIES.isdisjoint(categories)
        and "m" * (MAX_COMBINING_MARKS + 1) not in marks
        and not FORBIDDEN_IN_NAMES.search(link_detection.fold(text))
        # Programs behind a mail server may fail on Unicode noncharacters.
        and not any(ord(letter) & 0xFFFE == 0xFFFE or "\ufdd0" <= letter <= "\ufdef" for letter in text)
    )


def parse_language_tag(text: str) -> str | None:
    """Return the language tag in the text in at most 16 characters, or None if it is malformed.

    Extensions such as the region in en-US-u-rg-gbzzzz do not select a language and are removed. A tag that is still too
    long is truncated as in RFC 4647 section 3.4.
    """
    match = LANGUAGE_TAG.fullmatch(text.replace("_", "-"))
    if match is None or len(text) > MAX_LANGUAGE_TAG_LENGTH:
        return None
    locale = match[1]
    while len(locale) > MAX_LOCALE_LENGTH:
        locale = locale.rpartition("-")[0]
    return locale
