"""A post office for tests: an outbox, a mail server that keeps what it gets, and hands to work them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select
from tests.servers import Received, SmtpSink

from flaskauth.audit.models import AuditEvent
from flaskauth.codes.models import OneTimeCode
from flaskauth.codes.service import Asked, issue, shown
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.db import db, transaction
from flaskauth.mail import delivery, outbox
from flaskauth.mail.models import QUEUED, OutboxMail
from flaskauth.mail.outbox import Message

TEN_MINUTES = timedelta(minutes=10)
GRACE = "grace@example.com"
ASKED = {"network": "192.0.2.7", "asked_at": "2026-01-10T16:43:48Z"}
NAMES = {"first_name": "Grace", "last_name": "Hopper", "minutes": "10"}


class Held(jobs.Background):
    """The background thread, kept from running: a test says when."""

    def start(self) -> None:
        """Not yet."""

    def rung(self) -> list[int]:
        """The mails that the bell was rung for, since the last call."""
        return [self._waiting.get_nowait()[-1][0] for _ in range(self._waiting.qsize())]


@dataclass
class Office:
    app: Flask
    sink: SmtpSink

    def put(self, to: str = GRACE, *, state: str = QUEUED, life: timedelta = TEN_MINUTES, **given: Any) -> int:
        """A mail with a code, in the outbox."""

        def work() -> int:
            code_id = given.pop("code_id") if "code_id" in given else self._code(to).id
            message = {"template": "registration/prove_address", "context": {**NAMES, **ASKED}, **given}
            return outbox.put(Message(to=to, expires_at=clock.now() + life, code_id=code_id, **message), state)

        with self.app.app_context():
            return transaction(work)

    def deliver(self, mail_id: int) -> None:
        with self.app.app_context():
            delivery.deliver(mail_id)

    def sweep(self) -> None:
        with self.app.app_context():
            delivery.sweep()

    def row(self, mail_id: int) -> OutboxMail:
        with self.app.app_context():
            return db.session.get_one(OutboxMail, mail_id)

    def rows(self) -> list[OutboxMail]:
        with self.app.app_context():
            return list(db.session.scalars(select(OutboxMail)))

    def code(self, mail_id: int) -> str:
        code_id = self.row(mail_id).code_id
        with self.app.app_context():
            return shown(code_id) if code_id else ""

    def use_code(self, mail_id: int) -> None:
        def work() -> None:
            db.session.get_one(OneTimeCode, db.session.get_one(OutboxMail, mail_id).code_id).used_at = clock.now()

        with self.app.app_context():
            transaction(work)

    def events(self, name: str) -> list[dict[str, Any]]:
        with self.app.app_context():
            return [event.details for event in db.session.scalars(select(AuditEvent).filter_by(name=name))]

    def _code(self, address: str) -> OneTimeCode:
        code = issue(Asked("registration", address, "192.0.2.7", clock.now() + timedelta(days=1)))
        db.session.flush()
        return code


def text_of(received: Received) -> str:
    return part_of(received, "plain")


def part_of(received: Received, kind: str) -> str:
    part = received.message.get_body((kind,))
    assert part
    return str(part.get_content())


def lines(text: str) -> Iterable[str]:
    return text.replace("\r\n", "\n").split("\n")
