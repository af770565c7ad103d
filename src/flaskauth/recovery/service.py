"""Undo a change of address, disown a sign-in: nothing that was open stays open, and only a reset opens it again."""

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.codes.models import Link
from flaskauth.foundation.db import db
from flaskauth.foundation.errors import Unauthorized
from flaskauth.foundation.http import network
from flaskauth.mail import outbox
from flaskauth.recovery import emails
from flaskauth.sessions import service as sessions

RESET = "reset"


class LinkOver(Unauthorized):
    """401 {"code": "invalid_token"}: the link is not ours, was used, or is over."""

    code = "invalid_token"
    message = "This link is not good, or no longer: it was used, or its time is over."


def undo(token: str) -> None:
    """Give the account the address that it had; whatever came after the change is ended, a closing too.

    Raises:
        LinkOver
    """
    link = _spent(links.UNDO, token)
    user = _person(link)
    assert link.email
    assert link.address
    if not accounts.restore_address(user.id, link.email, link.address):
        raise LinkOver
    links.end_since(links.UNDO, link)
    audit.record("address_restored", user_id=user.id)
    _shut(user)


def disown(token: str) -> None:
    """End the session that a mail told of, all others, and a closing: whoever opened it knew the password.

    Raises:
        LinkOver
    """
    link = _spent(links.DISOWN, token)
    user = _person(link)
    audit.record("sign_in_disowned", user_id=user.id, session_id=link.session_id)
    _shut(user)


def _spent(purpose: str, token: str) -> Link:
    link = links.spend(purpose, token)
    if link is None:
        raise LinkOver
    return link


def _person(link: Link) -> User:
    user = db.session.get(User, link.user_id)
    if user is None:
        raise LinkOver
    return user


def _shut(user: User) -> None:
    """Nothing of before opens the account: no session, device, password, code or address on its way. Nor does it end by
    a closing that a thief may have asked for.
    """
    if accounts.end_closing(user.id):
        audit.record("account_restored", user_id=user.id)
    accounts.demand_reset(user.id)
    accounts.end_address_changes(user.id)
    sessions.end_all(user.id)
    db.session.refresh(user)
    codes.end_all(RESET, user.address)
    outbox.put(emails.taken_back(user, network()))
