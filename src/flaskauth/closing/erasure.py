"""Erase people whose time is over, wherever they left something.

All of one person goes in one transaction: whatever ends it half-way, the person is still there to be erased next time.
"""

from datetime import timedelta

import structlog
from sqlalchemy.exc import IntegrityError

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.audit import service as trail
from flaskauth.avatars import service as avatars
from flaskauth.closing import emails
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.foundation import clock
from flaskauth.foundation.complaints import in_words
from flaskauth.foundation.db import db
from flaskauth.mail import outbox
from flaskauth.mail import service as mail
from flaskauth.mail.service import Correspondence
from flaskauth.registration import attempts

FEW = 10
AGAIN = timedelta(hours=1)

log = structlog.get_logger(__name__)


def purge() -> int:
    """Erase people a week after they closed their account, a few at a time; how many went."""
    return sum(_attempt(user) for user in accounts.over(FEW))


def _attempt(user: User) -> bool:
    """Whether the person went. Whom a row of somebody else's table holds fast keeps nobody else waiting."""
    user_id, mails = user.id, _correspondence(user)
    try:
        with db.session.begin_nested():  # SQLite: begun by a change, it waits its turn; begun by a read, it would not
            return _erase(user, mails)
    except IntegrityError as error:
        log.error("cannot_be_erased", user_id=user_id, reason=in_words(error))
        accounts.put_off(user_id, clock.now() + AGAIN)
        return False


def _erase(user: User, mails: Correspondence) -> bool:
    """Whether the person went by this call: neither taken back meanwhile, nor erased by another process."""
    if not accounts.erase(user.id):
        return False
    if user.avatar:
        avatars.drop(user.avatar)
    attempts.forget(user.address)
    codes.forget(user.address, mails.code_ids)
    links.forget(user.id)
    mail.forget(mails)
    trail.forget(user.id)
    audit.record("account_erased", user_id=user.id)
    outbox.put(emails.account_erased(user))
    return True


def _correspondence(user: User) -> Correspondence:
    """What was mailed to the person; the references are read before they go."""
    return Correspondence(
        address=user.address,
        spellings=(user.email, *attempts.spellings(user.address)),
        code_ids=db.session.scalars(accounts.address_change_ids(user.id)).all(),
        link_ids=db.session.scalars(links.ids(user.id)).all(),
    )
