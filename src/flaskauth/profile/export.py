"""Write down everything that is held about a person, page by page.

The answer is sent while it is read, so a trail of a hundred thousand events needs no more memory than one of ten. Each
page is a short transaction of its own: by then the request's has ended, and none is open while a slow reader takes it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import AddressChange, User
from flaskauth.audit.models import AuditEvent
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.codes.models import Link, OneTimeCode
from flaskauth.foundation.db import db, transaction
from flaskauth.foundation.errors import TooManyRequests
from flaskauth.foundation.schemas import Schema
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.service import Correspondence
from flaskauth.profile import account
from flaskauth.profile.account import AccountReply
from flaskauth.sessions.guards import SignedIn
from flaskauth.sessions.models import Device, Session
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance

PAGE = 500  # rows
EXPORTS = Allowance(5, timedelta(hours=1))


@dataclass(frozen=True)
class Part:
    """The rows of one table that are a person's, and how each is told."""

    name: str
    key: InstrumentedAttribute[Any]
    mine: ColumnElement[bool]
    told: Schema


def export(who: SignedIn) -> Iterator[bytes]:
    """Everything that is held about who asks, as pieces of one JSON object.

    Raises:
        TooManyRequests
    """
    spending = throttles.spend(throttles.key_of("export", who.user.id), EXPORTS)
    if not spending.granted:
        raise TooManyRequests(retry_after=spending.retry_after)
    audit.record("account_exported", user_id=who.user.id, session_id=who.session.id)
    head = AccountReply(only=("status", "success", "message", "profile")).dump({"profile": who.user})
    return _written(head, _parts(who.user))


def _parts(user: User) -> list[Part]:
    return [
        Part("sessions", Session.id, Session.user_id == user.id, account.HeldSessionSchema()),
        Part("devices", Device.id, Device.user_id == user.id, account.DeviceSchema()),
        Part("events", AuditEvent.id, AuditEvent.user_id == user.id, account.HeldEventSchema()),
        Part("mails", OutboxMail.id, _correspondence(user).holds(), account.HeldMailSchema()),
        Part("address_changes", AddressChange.id, AddressChange.user_id == user.id, account.AddressChangeSchema()),
        Part("codes", OneTimeCode.id, codes.of_address(user.address), account.CodeSchema()),
        Part("links", Link.id, Link.user_id == user.id, account.LinkSchema()),
    ]


def _correspondence(user: User) -> Correspondence:
    return Correspondence(
        address=user.address,
        spellings=(user.email,),
        code_ids=db.session.scalars(accounts.address_change_ids(user.id)).all(),
        link_ids=db.session.scalars(links.ids(user.id)).all(),
    )


def _written(head: dict[str, Any], parts: Sequence[Part]) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1]
    for part in parts:
        yield f',"{part.name}":['.encode()
        yield from _listed(part)
        yield b"]"
    yield b"}"


def _listed(part: Part) -> Iterator[bytes]:
    """The rows, with commas between, a page at a time; each page begins after the last key of the one before."""
    last, comma = None, b""
    while page := transaction(partial(_page, part, last)):
        last, told = page
        yield comma + orjson.dumps(told)[1:-1]
        comma = b","
        if len(told) < PAGE:
            return


def _page(part: Part, last: object) -> tuple[object, list[dict[str, Any]]] | None:
    rows = select(part.key.class_).where(part.mine).order_by(part.key).limit(PAGE)
    found = db.session.scalars(rows.where(part.key > last) if last is not None else rows).all()
    if not found:
        return None
    return getattr(found[-1], part.key.key), part.told.dump(found, many=True)
