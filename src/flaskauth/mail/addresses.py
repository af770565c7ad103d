"""Mail addresses as they go over the wire."""

import ipaddress
from email.headerregistry import Address
from email.utils import unquote

import idna

from flaskauth.foundation.current import settings


def wire(address: str) -> str:
    """The address with its domain in ASCII (RFC 5890), so that only a local part may need SMTPUTF8."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return address


def sender() -> Address:
    """Who our mails are from. The name may hold commas and quotes, which the header then quotes."""
    name, _, address = settings().sender.rpartition("<")
    local, _, host = address.rstrip("> ").rpartition("@")
    return Address(unquote(name.strip()), addr_spec=wire(f"{local}@{literal(host)}"))


def literal(host: str) -> str:
    """A host as SMTP names it: an address stands in brackets (RFC 5321 section 4.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
