"""Convert a message to the bytes that are sent, and verify that they say what was meant.

Python's email package interprets header values, for example encoded words in an address, and formats them again. A
value that it reads differently could add recipients, header fields or a body. The bytes are therefore read back by the
few rules below, which do not depend on that package's parser (ADR 15).
"""

from email.header import decode_header, make_header
from email.message import EmailMessage


class MessageMismatchError(Exception):
    """The bytes of a message do not have the intended recipient, subject and header fields."""


def serialize(message: EmailMessage, recipient: str) -> bytes:
    """Return the message as bytes that are addressed to this recipient only.

    Raises:
        MessageMismatchError, and any error of the email package
    """
    raw = message.as_bytes()
    if b"\r" in (unpaired := raw.replace(b"\r\n", b"")) or b"\n" in unpaired or b"\0" in raw:
        raise MessageMismatchError("line ends")
    # splitlines() also splits at characters that only some programs treat as line ends.
    lines = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ").splitlines()
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    if [name for name, _ in fields] != message.keys():
        raise MessageMismatchError("header fields")
    values = dict(fields)
    if values["To"] != recipient:
        raise MessageMismatchError("recipient")
    # The email package can lose a space between two encoded words.
    if str(make_header(decode_header(values["Subject"]))).replace(" ", "") != message["Subject"].replace(" ", ""):
        raise MessageMismatchError("subject")
    return raw
