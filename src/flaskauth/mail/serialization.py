"""Convert a mail to the bytes that are sent, and verify that they say what was meant.

Python's email package interprets header values, for example encoded words in an address, and formats them again. A
value that it reads differently could add recipients, header fields or a body. The bytes are therefore read back by the
few rules below, which do not depend on that package's parser (ADR 15).

The package needs 2 ms for a mail. It formats only header fields that are not short ASCII text.
"""

import base64
from collections.abc import Mapping
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

ENCODED_WORD_START = "=?"
HEADER_LINE_LENGTH = 78  # characters of a line (RFC 5322 section 2.1.1)
BODY_LINE_LENGTH = 998  # RFC 5322, without the line end


class MessageMismatchError(Exception):
    """The bytes of a message do not have the intended recipient, subject and header fields."""


def serialize(fields: Mapping[str, str | Address], recipient: str, text: str, html: str, boundary: str) -> bytes:
    """Return a mail with a text and an HTML part as bytes that are addressed to this recipient only.

    Raises:
        MessageMismatchError, and any error of the email package
    """
    raw = b"\r\n".join(
        [
            _serialize_header(fields),
            b"MIME-Version: 1.0",
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode(),
            *(f"--{boundary}\r\n".encode() + _serialize_part(*part) for part in (("plain", text), ("html", html))),
            f"--{boundary}--\r\n".encode(),
        ]
    )
    _verify(raw, fields, recipient)
    return raw


def _serialize_header(fields: Mapping[str, str | Address]) -> bytes:
    lines = [f"{name}: {value}" for name, value in fields.items()]
    is_plain = all(line.isascii() and line.isprintable() and len(line) <= HEADER_LINE_LENGTH for line in lines)
    if is_plain and not any(ENCODED_WORD_START in line for line in lines):
        return "\r\n".join(lines).encode()
    # Header fields are UTF-8 only if an address is not ASCII.
    addresses = [value.addr_spec for value in fields.values() if isinstance(value, Address)]
    message = EmailMessage(SMTP.clone(utf8=not "".join(addresses).isascii()))
    for name, value in fields.items():
        message[name] = value
    return message.as_bytes().removesuffix(b"\r\n\r\n")


def _serialize_part(subtype: str, text: str) -> bytes:
    """Return a MIME part. 7bit bodies pass every server."""
    lines = text.encode().splitlines()
    encoding, body = "7bit", b"\r\n".join(lines)
    if not body.isascii() or max(map(len, lines), default=0) > BODY_LINE_LENGTH:
        encoding, body = "base64", base64.encodebytes(body + b"\r\n").rstrip().replace(b"\n", b"\r\n")
    header = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return header.encode() + body + b"\r\n"


def _verify(raw: bytes, meant: Mapping[str, str | Address], recipient: str) -> None:
    if b"\r" in (unpaired := raw.replace(b"\r\n", b"")) or b"\n" in unpaired or b"\0" in raw:
        raise MessageMismatchError("line ends")
    # splitlines() also splits at characters that only some programs treat as line ends.
    lines = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ").splitlines()
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if [name for name, _ in fields] != [*meant, "MIME-Version", "Content-Type"]:
        raise MessageMismatchError("header fields")
    values = dict(fields)
    if values["To"] != recipient:
        raise MessageMismatchError("recipient")
    # The email package can lose a space between two encoded words.
    subject = str(make_header(decode_header(values["Subject"])))
    if subject.replace(" ", "") != str(meant["Subject"]).replace(" ", ""):
        raise MessageMismatchError("subject")
