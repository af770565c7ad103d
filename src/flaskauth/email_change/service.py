"""Ask for another address, and prove it."""

from datetime import timedelta

from sqlalchemy import select

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.addresses import Address
from flaskauth.accounts.models import AddressChange, User
from flaskauth.codes import doors, links
from flaskauth.codes import service as codes
from flaskauth.codes.doors import Brought, WrongCode
from flaskauth.codes.models import OneTimeCode
from flaskauth.codes.service import Asked
from flaskauth.email_change import emails
from flaskauth.foundation import clock
from flaskauth.foundation.db import at_once, db
from flaskauth.foundation.errors import InvalidInput, TooManyRequests
from flaskauth.foundation.http import network
from flaskauth.mail import budget, outbox
from flaskauth.mail.models import DROPPED, QUEUED, WITHHELD
from flaskauth.sessions import service as sessions
from flaskauth.sessions.guards import SignedIn
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance

PURPOSE = "email"
BY_PERSON = Allowance(5, timedelta(hours=1))


class WrongEmailCode(WrongCode):
    """401 {"code": "wrong_code"}: wrong, used, expired, or the address is somebody's; nobody learns which."""

    code = "wrong_code"
    message = "This code is wrong, was used, or has expired. Look at the newest mail, or ask for another code."


def ask(user: User, email: Address) -> None:
    """Mail a code to the new address, and to the present one a link that takes the change back.

    An address that somebody has or keeps is a decoy: same answer, same rows, and a code that nobody is sent.

    Raises:
        InvalidInput, TooManyRequests
    """
    if email.key == user.address:
        raise InvalidInput({"email": ["Is your address already."]})
    spent = at_once(throttles.spend, throttles.key_of("address changes", user.id), BY_PERSON)
    if not spent.granted:
        raise TooManyRequests(retry_after=spent.retry_after)
    code = _mail_code(user, email)
    link = links.issue(links.UNDO, user.id, email=user.email, address=user.address)
    outbox.put(emails.change_requested(user, email.typed, link, network()))
    db.session.add(_row(code, user, email, link.id))
    audit.record("address_change_requested", user_id=user.id)


def prove(who: SignedIn, otp: str) -> User:
    """The person with the new address, whose code this is; the other sessions end.

    Raises:
        WrongEmailCode, TooManyRequests
    """
    try:
        change = _redeemed(who.user, otp)
    except WrongCode:
        audit.record("wrong_code", purpose=PURPOSE, user_id=who.user.id)
        raise WrongEmailCode from None
    old_address, user = who.user.email, who.user
    codes.end_everything(change.address)
    db.session.refresh(user)
    sessions.end_all(user.id, but=who.session)
    audit.record("address_changed", user_id=user.id, session_id=who.session.id)
    outbox.put(emails.address_changed(user, old_address, change.link_id, network()))
    return user


def _mail_code(user: User, email: Address) -> OneTimeCode:
    here, holder = network(), accounts.holder(email.key)
    is_decoy = holder is not None and holder.id != user.id
    is_withheld = not budget.take(email.key, here, is_known=False)
    asked = Asked(PURPOSE, email.key, here, ends_at=clock.now() + codes.LIFE)
    code = codes.issue(asked, is_decoy=is_decoy, is_withheld=is_withheld)
    state = WITHHELD if is_withheld else DROPPED if is_decoy else QUEUED
    outbox.put(emails.prove_address(code, email.typed, user.locale), state)
    return code


def _row(code: OneTimeCode, user: User, email: Address, link_id: bytes) -> AddressChange:
    return AddressChange(
        id=code.id, user_id=user.id, email=email.typed, address=email.key, link_id=link_id, created_at=clock.now()
    )


def _redeemed(user: User, otp: str) -> AddressChange:
    """The change whose code it is, made. A race for the address is lost like a wrong code."""
    newest = select(AddressChange).where(AddressChange.user_id == user.id).order_by(AddressChange.created_at.desc())
    change = db.session.scalars(newest.limit(1)).first()
    if change is None:
        raise WrongCode
    opened = doors.by_id(Brought(PURPOSE, otp, network()), change.id)
    holder = accounts.holder(change.address)
    if holder is not None and holder.id != user.id:
        raise WrongCode
    opened.redeem()
    opened.give_back()
    if not accounts.move(user, change):
        raise WrongCode
    return change
