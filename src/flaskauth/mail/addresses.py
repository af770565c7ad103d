"""Mail addresses as they go over the wire."""

import ipaddress
from email.headerregistry import Address
from email.utils import unquote

import idna

from flaskauth.foundation.current import settings
from flaskauth.mail.text import one_line


def address(written: str, name: str = "") -> Address:
    """An address for headers and envelope; its domain is in ASCII, so that only a local part may need SMTPUTF8."""
    local, _, domain = written.rpartition("@")
    return Address(name, local, _in_ascii(domain))


def sender() -> Address:
    """Who our mails are from. The name may hold commas and quotes, which the header then quotes."""
    name, _, written = settings().sender.rpartition("<")
    local, _, host = written.rstrip("> ").rpartition("@")
    return address(f"{local}@{literal(host)}", one_line(unquote(name.strip())))


def literal(host: str) -> str:
    """A host as SMTP names it: an address stands in brackets (RFC 5321 section 4.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _in_ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain
