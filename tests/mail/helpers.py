"""A mail harness: an application with an outbox, an SMTP sink, and methods that deliver and inspect mails."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select
from tests.servers import ReceivedMail, SmtpSink

from flaskauth.audit.models import AuditEvent
from flaskauth.core import clock
from flaskauth.core.db.session import db, transaction
from flaskauth.core.jobs import background
from flaskauth.mail import delivery, outbox
from flaskauth.mail.models import QUEUED, OutboxMail
from flaskauth.mail.outbox import Message
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.one_time_codes.service import CodeRequest, issue, past_code

TEN_MINUTES = timedelta(minutes=10)
GRACE_EMAIL = "grace@example.com"
REQUEST_DETAILS = {"network": "192.0.2.7", "requested_at": "2026-01-10T16:43:48Z"}
TEMPLATE_CONTEXT = {"first_name": "Grace", "last_name": "Hopper", "minutes": "10"}


class ManualBackgroundWorker(background.BackgroundWorker):
    """A background worker that never starts, so that tests decide when mails are delivered."""

    def start(self) -> None:
        """Do nothing."""

    def take_notifications(self) -> int:
        """Remove all queued notifications and return their number."""
        return len([self._queue.get_nowait() for _ in range(self._queue.qsize())])


@dataclass
class MailHarness:
    app: Flask
    sink: SmtpSink

    def enqueue(
        self, to: str = GRACE_EMAIL, *, state: str = QUEUED, lifetime: timedelta = TEN_MINUTES, **fields: Any
    ) -> int:
        """Write a mail with a code to the outbox, commit, and return its id."""

        def write() -> int:
            code_id = fields.pop("code_id") if "code_id" in fields else self._issue_code(to).id
            message = {
                "template": "registration/verify_email",
                "context": {**TEMPLATE_CONTEXT, **REQUEST_DETAILS},
                **fields,
            }
            return outbox.enqueue(Message(to=to, expires_at=clock.now() + lifetime, code_id=code_id, **message), state)

        with self.app.app_context():
            return transaction(write)

    def deliver_due(self) -> None:
        with self.app.app_context():
            delivery.deliver_due()

    def row(self, mail_id: int) -> OutboxMail:
        with self.app.app_context():
            return db.session.get_one(OutboxMail, mail_id)

    def rows(self) -> list[OutboxMail]:
        with self.app.app_context():
            return list(db.session.scalars(select(OutboxMail)))

    def code(self, mail_id: int) -> str:
        code_id = self.row(mail_id).code_id
        with self.app.app_context():
            return past_code(code_id) if code_id else ""

    def use_code(self, mail_id: int) -> None:
        def write() -> None:
            db.session.get_one(OneTimeCode, db.session.get_one(OutboxMail, mail_id).code_id).used_at = clock.now()

        with self.app.app_context():
            transaction(write)

    def events(self, name: str) -> list[dict[str, Any]]:
        with self.app.app_context():
            return [event.details for event in db.session.scalars(select(AuditEvent).filter_by(name=name))]

    def _issue_code(self, email: str) -> OneTimeCode:
        code = issue(CodeRequest("registration", email, "192.0.2.7", clock.now() + timedelta(days=1)))
        db.session.flush()
        return code


def plain_text(received: ReceivedMail) -> str:
    return body_part(received, "plain")


def body_part(received: ReceivedMail, subtype: str) -> str:
    part = received.message.get_body((subtype,))
    assert part
    return str(part.get_content())


def split_lines(text: str) -> Iterable[str]:
    return text.replace("\r\n", "\n").split("\n")
