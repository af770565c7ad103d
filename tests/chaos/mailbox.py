"""The mails that the mail server received, by recipient."""

from collections.abc import Sequence
from functools import cache

from tests.chaos.history import Mail
from tests.servers import ReceivedMail, SmtpSink
from tests.support.users import CODE_PATTERN


@cache
def parse_mail(received: ReceivedMail) -> Mail:
    """Return the parts of a mail that the checkers need."""
    body = received.message.get_body(("plain",))
    match = CODE_PATTERN.search(body.get_content().replace("\r\n", "\n")) if body else None
    return Mail(received.recipients[0], str(received.message["Message-ID"]), match.group() if match else "")


class Mailbox:
    def __init__(self, sink: SmtpSink) -> None:
        self._sink = sink

    @property
    def mails(self) -> Sequence[Mail]:
        return [parse_mail(received) for received in self._sink.messages]

    def codes(self, email: str) -> list[str]:
        """Return the distinct codes mailed to an address, newest first."""
        return list(dict.fromkeys(mail.otp for mail in reversed(self.mails) if mail.to == email and mail.otp))

    def wait_for_code(self, email: str, known: set[str], seconds: float) -> str:
        """Return a code that is not in `known`, or "" on timeout."""

        def is_new(received: ReceivedMail) -> bool:
            return email in received.recipients and parse_mail(received).otp not in {"", *known}

        try:
            return parse_mail(self._sink.wait_for(is_new, seconds)).otp
        except AssertionError:
            return ""
