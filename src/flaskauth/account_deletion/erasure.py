"""Erase the users whose deletion is due, in all tables.

Each user is erased in one transaction: if it fails, nothing is erased, and the next run retries it.
"""

from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from flaskauth import audit, mail
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.audit import service as audit_log
from flaskauth.avatars import service as avatars
from flaskauth.core import clock
from flaskauth.core.db.error_messages import describe
from flaskauth.core.db.session import db
from flaskauth.core.observability.log import get_logger
from flaskauth.mail import service as stored_mail
from flaskauth.mail.service import MailFilter
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.registration import pending

BATCH_SIZE = 10
RETRY_DELAY = timedelta(hours=1)

log = get_logger(__name__)


def purge() -> int:
    """Erase one batch of the users whose deletion is due. Return the number of erased users."""
    return sum(_try_erase(user) for user in accounts.due_for_deletion(BATCH_SIZE))


def erase_now(user: User) -> bool:
    """Erase a user without delay, and mail them. Return False if rows of the application refer to the user."""
    accounts.make_deletion_due(user.id)
    return _try_erase(user)


def _try_erase(user: User) -> bool:
    """Erase the user, or postpone the deletion if it fails. Return True if this call erased the user.

    A foreign key in a table of the host application can prevent the erasure. Without the postponement, it would block
    the erasure of other users.
    """
    user_id = user.id
    mail_filter = _mail_filter(user)
    try:
        # If the erasure fails, only the savepoint is rolled back, so that the postponement below can be committed. The
        # first statement in it is a write, which waits for the lock of SQLite. After a read, it could fail immediately.
        with db.session.begin_nested():
            return _erase_user(user, mail_filter)
    except IntegrityError as error:
        log.error("erasure_failed", user_id=user_id, reason=describe(error))
        accounts.postpone_deletion(user_id, clock.now() + RETRY_DELAY)
        return False


def _erase_user(user: User, mail_filter: MailFilter) -> bool:
    """Erase the user and mail them. Return False if the deletion was cancelled or another process was first."""
    if not accounts.erase(user.id):
        return False
    if user.avatar:
        avatars.delete_later(user.avatar)
    pending.delete_for_email(user.normalized_email)
    codes.delete_for_email(user.normalized_email, mail_filter.code_ids)
    links.delete_for_user(user.id)
    stored_mail.delete_matching(mail_filter)
    audit_log.erase_personal_data(user.id)
    audit.record("account_erased", user_id=user.id)
    mail.notify("account_deletion/account_erased", user)
    return True


def _mail_filter(user: User) -> MailFilter:
    """Select the user's mails. It is built before the erasure, which deletes the rows that it refers to."""
    return MailFilter(
        normalized_email=user.normalized_email,
        emails=(user.email, *pending.addresses_used(user.normalized_email)),
        code_ids=db.session.scalars(accounts.email_change_ids(user.id)).all(),
        link_ids=db.session.scalars(links.ids_for_user(user.id)).all(),
    )
