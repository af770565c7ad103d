"""The kinds of values that settings have, and what is said of one that cannot be used; never the value itself."""

import ipaddress
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from flaskauth import bloom


def is_loopback(host: str) -> bool:
    """Whether a host name or address reaches this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _networks(value: object) -> object:
    try:
        return [ipaddress.ip_network(part) for part in _listed(value)]  # type: ignore[attr-defined]
    except ValueError:
        raise ValueError("must be addresses or networks, such as 127.0.0.1, 10.0.0.0/8") from None


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname) and urlsplit(url).port != 0
    except ValueError:
        return False


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not _has_host(value) or parts.query or parts.fragment:
        raise ValueError("must look like https://example.com")
    return value.rstrip("/")


def _origin(value: str) -> str:
    """As a browser names it, or it would match nothing; and never more than one."""
    parts = urlsplit(_http_url(value))
    if parts.path.strip("/") or "@" in parts.netloc or "*" in parts.netloc:
        raise ValueError("must be origins such as https://app.example.com: no path, no *")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _encrypted(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https, except on this machine")
    return value


def _database(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("must look like mysql://user:password@host/database") from None
    if url.get_backend_name() not in {"sqlite", "mysql", "mariadb"}:
        raise ValueError("must start with mysql://, mariadb:// or sqlite://")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("must name a file: each connection would have a database of its own in memory")
    if url.get_backend_name() != "sqlite" and not url.database:
        raise ValueError("must name a database: mysql://user:password@host/database")
    if value.partition("?")[0].count("@") > 1:
        raise ValueError("holds an @ too many: in a password @ is written %40, : %3A, / %2F and % %25")
    if "+" in url.drivername and not _has_driver(url):
        raise ValueError("names a driver that is not installed; mysql:// takes one that is")
    return value


def _has_driver(url: URL) -> bool:
    try:
        url.get_dialect().import_dbapi()
    except (ArgumentError, ImportError):
        return False
    return True


def _redis(value: str) -> str:
    if urlsplit(value).scheme not in {"redis", "rediss"} or not _has_host(value):
        raise ValueError("must look like redis://host:6379/0")
    return value


def _sender(value: str) -> str:
    address = parseaddr(value)[1]
    if "@" not in address or any(ord(letter) < 32 for letter in value):
        raise ValueError("must be an address, such as no-reply@example.com or Name <no-reply@example.com>")
    return value


def _breached_passwords(value: object) -> object:
    return _range_service(str(value)) if "://" in str(value) else _filter(Path(str(value)))


def _range_service(value: str) -> str:
    """Whoever listens learns the range, so nobody may; a password in the URL would be told in logs."""
    parts = urlsplit(_http_url(value))
    if "@" in parts.netloc or (parts.scheme != "https" and not is_loopback(parts.hostname or "")):
        raise ValueError("must look like https://example.com/range (http for a loopback host only), without a password")
    return value.rstrip("/")


def _filter(path: Path) -> Path:
    try:
        bloom.read(path)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    return path


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_listed)]
Minutes = Annotated[int, Field(ge=1, le=5_256_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
Url = Annotated[str, AfterValidator(_http_url)]
Endpoint = Annotated[Url, AfterValidator(_encrypted)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_listed)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
RedisUrl = Annotated[SecretStr, BeforeValidator(_redis)]
BreachedPasswords = Annotated[Path | str, BeforeValidator(_breached_passwords)]
Sender = Annotated[str, AfterValidator(_sender)]
