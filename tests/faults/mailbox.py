"""The mails that the mail server got, by who they are to."""

from collections.abc import Sequence
from functools import cache

from tests.faults.history import Mail
from tests.people import CODE
from tests.servers import Received, SmtpSink


@cache
def read(received: Received) -> Mail:
    """A mail as the judges want it."""
    body = received.message.get_body(("plain",))
    found = CODE.search(body.get_content().replace("\r\n", "\n")) if body else None
    return Mail(received.recipients[0], str(received.message["Message-ID"]), found.group() if found else "")


class Mailbox:
    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink

    @property
    def mails(self) -> Sequence[Mail]:
        return [read(received) for received in self._sink.messages]

    def codes(self, email: str) -> list[str]:
        """The codes mailed to somebody, newest first, each once."""
        return list(dict.fromkeys(mail.otp for mail in reversed(self.mails) if mail.to == email and mail.otp))

    def wait_for_code(self, email: str, known: set[str], seconds: float) -> str:
        """A code that is not known yet; "" where none comes."""

        def is_new(received: Received) -> bool:
            return email in received.recipients and read(received).otp not in {"", *known}

        try:
            return read(self._sink.wait_for(is_new, seconds)).otp
        except AssertionError:
            return ""
