"""The sender of all mail, and host names as SMTP writes them."""

import ipaddress
from email.headerregistry import Address
from email.utils import unquote

from flaskauth.core.context import settings
from flaskauth.core.email_addresses import InvalidEmail, encode_domain
from flaskauth.mail.text import to_one_line


def sender_address() -> Address:
    """Return the address of MAIL_SENDER. Commas and quotes in the display name are quoted in the header."""
    name, _, email = settings().sender.rpartition("<")
    local, _, host = email.rstrip("> ").rpartition("@")
    return Address(to_one_line(unquote(name.strip())), local, _encode_host(host))


def address_literal(host: str) -> str:
    """Return a host as SMTP writes it: IP addresses are in brackets (RFC 5321 section 4.1.3)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _encode_host(host: str) -> str:
    """Return a domain in ASCII. The default sender may have the IP address or single label of PUBLIC_URL."""
    try:
        return encode_domain(host)
    except InvalidEmail:
        return address_literal(host)
