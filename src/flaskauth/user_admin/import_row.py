"""Parse and validate a row, by the rules that also apply to registrations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from flaskauth.accounts.schemas import is_valid_name, parse_language_tag
from flaskauth.core import email_addresses
from flaskauth.core.email_addresses import InvalidEmail
from flaskauth.core.ids import MAX_SAFE_INTEGER
from flaskauth.core.passwords import legacy
from flaskauth.user_admin.import_reader import Row

FIELDS = {
    *("id", "email", "first_name", "last_name", "verified", "is_verified", "password", "country", "locale"),
    *("created_at", "disabled_at", "deletion_due_at"),
}
REJECT_COLUMNS = {"rejected_line", "rejected_reason"}  # added to rejected rows by an earlier import
FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False, "": False}
MAX_NAME_LENGTH = 100
SUPPORTED_YEARS = range(1970, 9999)  # supported by every database in any time zone


class RowRejected(ValueError):
    """The row is rejected. The text is the reason and never quotes the content of the row."""


@dataclass(frozen=True)
class ImportedUser:
    """A valid row: the id, if there is one, the other columns, and the scheme of the password hash."""

    id: int | None
    columns: Mapping[str, object]
    hash_scheme: str | None

    @property
    def normalized_email(self) -> str:
        return str(self.columns["normalized_email"])


def parse_row(row: Row, countries: Mapping[str, int], now: datetime) -> ImportedUser:
    """Return the user of a row.

    Args:
        countries: Country ids by alpha-2 code.
        now: `created_at` of users without one.

    Raises:
        RowRejected
    """
    if row.error:
        raise RowRejected(row.error)
    fields = row.fields
    password = _parse_password(fields)
    columns = {
        **_parse_email(fields),
        "password_hash": password,
        "first_name": _parse_name(fields, "first_name"),
        "last_name": _parse_name(fields, "last_name"),
        "country_id": _parse_country(fields, countries),
        "locale": _parse_locale(fields),
        "is_verified": _parse_flag(fields, "verified" if "verified" in fields else "is_verified"),
        "created_at": _parse_timestamp(fields, "created_at") or now,
        "disabled_at": _parse_timestamp(fields, "disabled_at"),
        "deletion_due_at": _parse_timestamp(fields, "deletion_due_at"),
    }
    return ImportedUser(_parse_id(fields), columns, legacy.scheme_name(password or ""))


def _get_text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value).lower()
    raise RowRejected(f"{name}: not a string or a number")


def _parse_id(fields: Mapping[str, object]) -> int | None:
    text = _get_text(fields, "id")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 17 and 0 < int(text) <= MAX_SAFE_INTEGER):
        raise RowRejected("id: not an integer from 1 to 2^53 - 1")
    return int(text)


def _parse_email(fields: Mapping[str, object]) -> dict[str, str]:
    text = _get_text(fields, "email")
    if not text.strip():
        raise RowRejected("email: missing")
    try:
        email = email_addresses.parse(text)
    except InvalidEmail:
        raise RowRejected("email: not a valid email address") from None
    return {"email": email.original, "normalized_email": email.normalized}


def _parse_password(fields: Mapping[str, object]) -> str | None:
    """Return the hash unchanged. Return None if there is none, or if it is unusable, which Django marks with `!`."""
    text = _get_text(fields, "password")
    if not text or text.startswith("!"):
        return None
    if reason := legacy.reason_unsupported(text):
        raise RowRejected(f"password: {reason}")
    return text


def _parse_name(fields: Mapping[str, object], name: str) -> str:
    text = _get_text(fields, name).strip(email_addresses.WHITE_SPACE)
    if len(text) > MAX_NAME_LENGTH:
        raise RowRejected(f"{name}: longer than {MAX_NAME_LENGTH} characters")
    if text and not is_valid_name(text):
        raise RowRejected(f"{name}: contains characters that are not allowed in names")
    return text


def _parse_country(fields: Mapping[str, object], countries: Mapping[str, int]) -> int | None:
    code = _get_text(fields, "country").strip().upper()
    if code and code not in countries:
        raise RowRejected("country: not an ISO 3166-1 alpha-2 code")
    return countries.get(code)


def _parse_locale(fields: Mapping[str, object]) -> str:
    locale = parse_language_tag(_get_text(fields, "locale").strip() or "en")
    if locale is None:
        raise RowRejected("locale: not a language tag")
    return locale


def _parse_flag(fields: Mapping[str, object], name: str) -> bool:
    flag = FLAGS.get(_get_text(fields, name).strip().lower())
    if flag is None:
        raise RowRejected(f"{name}: not true or false")
    return flag


def _parse_timestamp(fields: Mapping[str, object], name: str) -> datetime | None:
    """Return an RFC 3339 time. A time without an offset is in UTC, as databases store it."""
    text = _get_text(fields, name).strip()
    if not text:
        return None
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        timestamp = None
    if timestamp is None or timestamp.year not in SUPPORTED_YEARS:
        raise RowRejected(f"{name}: not an RFC 3339 time such as 2026-01-10T16:43:48Z")
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
