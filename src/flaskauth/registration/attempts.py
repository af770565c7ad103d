"""What an attempt to join does with its rows: open, find, mail again, close."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from flaskauth import audit
from flaskauth.accounts.addresses import Address
from flaskauth.codes import service as codes
from flaskauth.codes.doors import TRIES_BY_ID
from flaskauth.codes.models import OneTimeCode
from flaskauth.codes.service import Asked
from flaskauth.foundation import clock
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.http import network
from flaskauth.foundation.prepared import Prepared, add
from flaskauth.mail import budget, outbox
from flaskauth.mail.models import DROPPED, QUEUED, WITHHELD
from flaskauth.registration import emails
from flaskauth.registration.models import Registration
from flaskauth.sessions import devices

PURPOSE = "registration"
LIFE = timedelta(hours=24)
KEPT = timedelta(days=1)

_HERE = (Registration.address == bindparam("address"), Registration.is_open == 1)
SAME = Prepared(select(Registration.id).where(*_HERE, Registration.password == bindparam("password")))
_SPENT = select(OneTimeCode.id).where(
    OneTimeCode.purpose == PURPOSE,
    OneTimeCode.address == bindparam("address"),
    or_(OneTimeCode.tries >= TRIES_BY_ID, OneTimeCode.ends_at <= bindparam("now")),
)
CLOSE_SPENT = Prepared(update(Registration).where(*_HERE, Registration.id.in_(_SPENT)).values(is_open=None))


@dataclass(frozen=True)
class Attempt:
    """Whose address, which password, and what else was said."""

    email: Address
    hashed: str
    about: dict[str, Any]


def open_new(asked: Attempt, owner: Any | None) -> bytes:
    """A new attempt and its mail; the attempt's id. Where the address is somebody's it is a decoy."""
    now, here, address = clock.now(), network(), asked.email.key
    is_withheld = not devices.take_mail(address, owner.id if owner else 0, here)
    door = Asked(PURPOSE, address, here, ends_at=now + LIFE)
    code = codes.issue(door, is_decoy=owner is not None, is_withheld=is_withheld)
    row = Registration(
        id=code.id,
        email=asked.email.typed,
        address=address,
        password=asked.hashed,
        network=here,
        created_at=now,
        ends_at=code.ends_at,
        is_open=1,
        **asked.about,
    )
    add(row)
    mail = emails.already_registered(owner, here) if owner else emails.prove_address(row, code)
    outbox.put(mail, WITHHELD if is_withheld else QUEUED)
    audit.record("registration_known" if owner else "registration_opened", user_id=owner.id if owner else None)
    return code.id


def find_same(address: str, hashed: str, owner: Any | None) -> OneTimeCode | None:
    """The code of the open attempt with this password. A decoy is let go once the address is nobody's any more."""
    found = SAME.first(address=address, password=hashed)
    code = db.session.get(OneTimeCode, found.id) if found else None
    if code and code.is_decoy and owner is None:
        close(code.id)
        return None
    return code


def mail_again(code: OneTimeCode | None, *, by_its_id: bool) -> None:
    """Mail an attempt's code once more, when that is due. Nobody, and whoever is not due, cost the same statements."""
    is_due = codes.take_mail_turn(code)
    row = db.session.get(Registration, code.id if code else b"")
    here = network()
    is_within = budget.take(code.address if code and is_due else here, here, is_known=False)
    # A stranger whose mails are spent would else take turn after turn, and have the owner wait for nothing.
    codes.give_turn_back(code if is_due and not is_within and not by_its_id else None)
    codes.read_again(code)
    if not (code and row and is_due and is_within) or code.is_decoy:
        codes.renew(None)
        outbox.put(emails.to_nobody(row.email if row else ""), DROPPED)
        return
    codes.renew(code)
    outbox.put(emails.prove_address(row, code), QUEUED)


def close_spent(address: str) -> None:
    """Let go of attempts that ended, expired or ran out of tries, so that a new one may have their password."""
    CLOSE_SPENT.changed(address=address, now=clock.now())


def close(attempt_id: bytes) -> None:
    """Let go of an attempt that became an account."""
    changed(update(Registration).where(Registration.id == attempt_id).values(is_open=None))


def spellings(address: str) -> Sequence[str]:
    """How an address was spelled by those who asked to join with it; that is where they were mailed."""
    return db.session.scalars(select(Registration.email).where(Registration.address == address).distinct()).all()


def forget(address: str) -> None:
    """Delete every attempt to join with an address."""
    changed(delete(Registration).where(Registration.address == address))


def purge() -> int:
    """Delete attempts a day after their end, some at a time; how many went."""
    return delete_some(Registration.id, Registration.ends_at < clock.now() - KEPT)
