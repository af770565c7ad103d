"""Types of setting values. Error messages never contain the value, which may be a secret."""

import ipaddress
import re
from datetime import date
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import idna
from limits import parse_many
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from flaskauth import bloom_filter
from flaskauth.colors import WHITE, contrast
from flaskauth.extras import missing_extra

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([^\s/?#@*\\]+)/*", re.ASCII | re.IGNORECASE)
_APK_ORIGIN = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
_DOMAIN = re.compile(r"([a-z0-9-]{1,63}\.)+(?=[a-z0-9-]*[a-z])[a-z0-9-]{2,63}|localhost")
# The public suffixes of many countries, such as co.uk and com.ng. The complete list has 10,000 and changes weekly.
_PUBLIC_SUFFIX = re.compile(r"(ac|co|com|edu|go|gov|ne|net|or|org)\.[a-z]{2}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_loopback(host: str) -> bool:
    """Return True if a host name or IP address is a loopback one."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _split_list(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parse_networks(value: object) -> object:
    if not isinstance(value, str):
        return value  # networks that an application passes to `Settings`
    try:
        return [ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()]
    except ValueError:
        raise ValueError("must be IP addresses or networks, such as 127.0.0.1, 10.0.0.0/8") from None


def _parse_date(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("must be a date, such as 2027-01-31") from None


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        return False


def _check_http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not _has_host(value) or parts.query or parts.fragment:
        raise ValueError("must look like https://example.com")
    return value.rstrip("/")


def _check_origin(value: str) -> str:
    """Normalize an origin to the form that browsers and web views send; reject paths and wildcards."""
    if value == "null":
        raise ValueError("must not contain null: every sandboxed or local page has this origin")
    parts = _ORIGIN.fullmatch(value)
    if not parts or not _has_host(value):
        raise ValueError("must be origins such as https://app.example.com or capacitor://localhost: no path, no *")
    scheme, host = parts[1].lower(), parts[2]
    if scheme in _DEFAULT_PORTS:  # of other schemes, browsers keep the case and the port
        host = _encode_host(host.lower().removesuffix(_DEFAULT_PORTS[scheme]))
    return f"{scheme}://{host}"


def _encode_host(host: str) -> str:
    """Return the host of an origin, with or without a port, as browsers send it: internationalized names in ASCII."""
    if host.isascii():
        return host
    name, colon, port = host.partition(":")
    try:
        return idna.encode(name, uts46=True).decode() + colon + port
    except idna.IDNAError:
        raise ValueError("must be origins with a valid host name") from None


def origin_of(url: str) -> str:
    """Return the origin of an http URL as browsers send it, or "" if its host name is invalid."""
    try:
        parts = urlsplit(url)
        return _check_origin(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
    except ValueError:
        return ""


def is_domain(host: str) -> bool:
    """Return True if passkeys can belong to this host: no IP address, no public suffix such as com or co.uk."""
    return _DOMAIN.fullmatch(host) is not None and not _PUBLIC_SUFFIX.fullmatch(host)


def _check_rp_id(value: str) -> str:
    host = _encode_host(value.lower())
    if not is_domain(host):
        raise ValueError("must be a domain such as example.com: no IP address, no public suffix, no scheme or port")
    return host


def _check_webauthn_origin(value: str) -> str:
    if _APK_ORIGIN.fullmatch(value):
        return value
    origin = _check_origin(value)
    if urlsplit(origin).scheme not in {"http", "https"}:
        raise ValueError("must be https origins, or android:apk-key-hash: with 43 characters of base64url")
    return _require_https(origin)


def _require_https(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https, except for a loopback host")
    return value


def _check_return_url(value: str) -> str:
    """Accept an https URL, http on a loopback host, or a private scheme with a dot (RFC 8252 section 7.1)."""
    parts = urlsplit(value)
    is_web = parts.scheme in {"http", "https"} and _has_host(value) and "@" not in parts.netloc
    is_private = "." in parts.scheme and parts.scheme not in {"http", "https"}
    if not (is_web or is_private) or not re.fullmatch(r"[!-~]+", value) or re.search(r"[\\*;]", value):
        raise ValueError("must be URLs such as https://app.example.com/home or com.example.app:/home, without *")
    return _require_https(value) if is_web else value


def _check_database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("must look like mysql://user:password@host/database") from None
    if url.get_backend_name() not in {"sqlite", "mysql", "mariadb"}:
        raise ValueError("must start with mysql://, mariadb:// or sqlite://")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("must name a file: in memory, each connection would have a separate database")
    if url.get_backend_name() != "sqlite" and not url.database:
        raise ValueError("must name a database: mysql://user:password@host/database")
    if value.partition("?")[0].count("@") > 1:
        raise ValueError("contains more than one @: in the password, write @ as %40, : as %3A, / as %2F and % as %25")
    if "+" in url.drivername and not _has_driver(url):
        raise ValueError("names a driver that is not installed; mysql:// selects an installed one")
    return value


def _has_driver(url: URL) -> bool:
    try:
        url.get_dialect().import_dbapi()
    except (ArgumentError, ImportError):
        return False
    return True


def _check_header_value(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must contain only ASCII characters without white space, because an HTTP header carries it")
    return value


def _check_redis_url(value: str) -> str:
    if missing := missing_extra("worker"):
        raise ValueError(f"cannot be used because {missing}")
    if urlsplit(value).scheme not in {"redis", "rediss"} or not _has_host(value):
        raise ValueError("must look like redis://host:6379/0")
    return value


def _check_sender(value: str) -> str:
    address = parseaddr(value)[1]
    if "@" not in address or any(ord(character) < 32 for character in value):
        raise ValueError("must be an email address, such as no-reply@example.com or Name <no-reply@example.com>")
    return value


def rate_per_day(rates: str) -> float:
    """Return how many requests a day the limits of a setting allow."""
    return min(item.amount * 86_400 / item.get_expiry() for item in parse_many(rates))


def _check_rates(value: str) -> str:
    try:
        items = parse_many(value)
    except ValueError:
        items = []
    if not items or not all(1 <= item.amount <= MAX_RATE for item in items):
        raise ValueError(f"must look like 60/minute or 30/minute; 300/hour, with numbers from 1 to {MAX_RATE:,}")
    return value


def _check_color(value: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", value):
        raise ValueError("must look like #3344a8")
    return value


def _check_theme_color(value: str) -> str:
    if contrast(value, WHITE) < MIN_CONTRAST:
        raise ValueError(f"must be darker: white text on it needs a contrast of {MIN_CONTRAST}:1, such as on #3344a8")
    return value


def _check_line(value: str) -> str:
    if not re.fullmatch(r"[^\x00-\x1f\x7f<>]+", value):
        raise ValueError("must be one line without the characters < and >")
    return value


def _check_app_name(value: str) -> str:
    """Reject an encoded word (RFC 2047): mail programs decode it in the subject and the sender."""
    if "=?" in value:
        raise ValueError("must not contain =?, which is syntax in the header of a mail")
    return _check_line(value)


def _check_email_address(value: str) -> str:
    if parseaddr(value)[1] != value or "@" not in value or any(character in value for character in "<>\"&' "):
        raise ValueError("must be an email address, such as support@example.com")
    return value


def _check_image_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not _has_host(value) or re.search(r"[\s<>\"']", value):
        raise ValueError("must look like https://example.com/logo.png")
    return _require_https(value)


def _parse_breached_passwords(value: object) -> object:
    return _check_range_api_url(str(value)) if "://" in str(value) else _check_filter_file(Path(str(value)))


def _check_range_api_url(value: str) -> str:
    """Require https, because the requested range narrows down the password; reject credentials, which logs may show."""
    parts = urlsplit(_check_http_url(value))
    if "@" in parts.netloc or (parts.scheme != "https" and not is_loopback(parts.hostname or "")):
        raise ValueError("must look like https://example.com/range (http for a loopback host only), without a password")
    return value.rstrip("/")


def _check_filter_file(path: Path) -> Path:
    try:
        bloom_filter.read_header(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    return path


MIN_CONTRAST = 4.5  # of text (WCAG 2.2, success criterion 1.4.3)
MAX_RATE = 1_000_000  # requests in one window

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Date = Annotated[date, BeforeValidator(_parse_date)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_parse_networks)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_split_list)]
Minutes = Annotated[int, Field(ge=1, le=5_256_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, AfterValidator(_check_http_url)]
Endpoint = Annotated[Url, AfterValidator(_require_https)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_check_origin)], ...], BeforeValidator(_split_list)]
ReturnUrls = Annotated[tuple[Annotated[str, AfterValidator(_check_return_url)], ...], BeforeValidator(_split_list)]
DatabaseUrl = Annotated[str, AfterValidator(_check_database_url)]
HeaderSecret = Annotated[SecretStr, AfterValidator(_check_header_value)]
RpId = Annotated[str, AfterValidator(_check_rp_id)]
WebAuthnOrigins = Annotated[
    tuple[Annotated[str, AfterValidator(_check_webauthn_origin)], ...], BeforeValidator(_split_list)
]
RedisUrl = Annotated[SecretStr, BeforeValidator(_check_redis_url)]
BreachedPasswords = Annotated[Path | str, BeforeValidator(_parse_breached_passwords)]
Rates = Annotated[str, AfterValidator(_check_rates)]
AppName = Annotated[str, AfterValidator(_check_app_name)]
Color = Annotated[str, AfterValidator(_check_color)]
ThemeColor = Annotated[Color, AfterValidator(_check_theme_color)]
EmailAddress = Annotated[str, AfterValidator(_check_email_address)]
ImageUrl = Annotated[str, AfterValidator(_check_image_url)]
Line = Annotated[str, AfterValidator(_check_line)]
Sender = Annotated[str, AfterValidator(_check_sender)]
