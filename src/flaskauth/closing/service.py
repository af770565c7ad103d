"""Close an account, take that back, and erase the person when the time is over."""

from datetime import datetime, timedelta

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.closing import emails
from flaskauth.codes import service as codes
from flaskauth.foundation import clock
from flaskauth.foundation.errors import NotFound
from flaskauth.foundation.http import network
from flaskauth.keys.tokens import InvalidToken
from flaskauth.mail import outbox
from flaskauth.passwords.service import PURPOSE as RESET
from flaskauth.sessions import service as sessions
from flaskauth.sessions.guards import SignedIn

DELAY = timedelta(days=7)


def close(who: SignedIn) -> datetime:
    """When the account will be erased. Everything that is signed in or under way ends now.

    Raises:
        InvalidToken: it was taken back while this call ran; its session has ended.
    """
    closes_at = clock.now() + DELAY
    if accounts.begin_closing(who.user.id, closes_at):
        _end_everything(who.user)
        audit.record("account_closed", user_id=who.user.id, session_id=who.session.id)
        outbox.put(emails.account_closing(who.user, closes_at, network()))
        return closes_at
    already = accounts.closing_at(who.user.id)  # another call was first
    if already is None:
        raise InvalidToken
    return already


def restore(who: SignedIn) -> None:
    """Keep an account that was to be erased, if it still is there.

    Raises:
        NotFound: nothing is being closed, or the time was over and the account is gone.
    """
    if not accounts.end_closing(who.user.id):
        raise NotFound
    audit.record("account_restored", user_id=who.user.id, session_id=who.session.id)
    outbox.put(emails.account_restored(who.user, network()))


def _end_everything(user: User) -> None:
    sessions.end_all(user.id)
    codes.end_all(RESET, user.address)
    accounts.end_address_changes(user.id)
