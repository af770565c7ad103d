"""Email addresses for message headers and the SMTP envelope."""

import ipaddress
from email.headerregistry import Address
from email.utils import unquote

import idna

from flaskauth.core.context import settings
from flaskauth.mail.text import to_one_line


def to_header_address(email: str, name: str = "") -> Address:
    """Return an address with its domain in ASCII, so that only the local part can need SMTPUTF8."""
    local, _, domain = email.rpartition("@")
    return Address(name, local, _to_ascii(domain))


def sender_address() -> Address:
    """Return the address of MAIL_SENDER. Commas and quotes in the display name are quoted in the header."""
    name, _, email = settings().sender.rpartition("<")
    local, _, host = email.rstrip("> ").rpartition("@")
    return to_header_address(f"{local}@{address_literal(host)}", to_one_line(unquote(name.strip())))


def address_literal(host: str) -> str:
    """Return a host as SMTP writes it: IP addresses are in brackets (RFC 5321 section 4.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _to_ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain
