"""List, show, verify, disable and enable users."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core.db.session import db, execute_count
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.passwords import legacy
from flaskauth.mfa import pending_resets
from flaskauth.one_time_codes import service as codes
from flaskauth.sessions import service as sessions

UNKNOWN_HASH = "unknown: cannot be verified"
NO_PASSWORD = "none: a password reset is required"  # noqa: S105


class UserNotFound(LookupError):
    """No user has this email address."""


@dataclass(frozen=True)
class UserSummary:
    """A user as operators see it; `sessions` is the number of active ones. The hash itself must not be printed."""

    user: User
    sessions: int
    hash_scheme: str


def get_summary(email: EmailAddress) -> UserSummary:
    """Return the user, the number of active sessions and the scheme of the password hash.

    Raises:
        UserNotFound
    """
    user = find(email)
    password_hash = user.password_hash
    scheme = (legacy.scheme_name(password_hash) or UNKNOWN_HASH) if password_hash else NO_PASSWORD
    return UserSummary(user, len(sessions.active_sessions(user.id)), scheme)


def list_newest(limit: int) -> Sequence[User]:
    """Return the newest users."""
    return db.session.scalars(select(User).order_by(User.id.desc()).limit(limit)).all()


def verify_email(email: EmailAddress) -> bool:
    """Mark the email address of a user as verified. Return False if it was already.

    Raises:
        UserNotFound
    """
    user = find(email)
    if not accounts.verify_email(user.id):
        return False
    audit.record("user_verified", user_id=user.id)
    return True


def disable(email: EmailAddress) -> bool:
    """Disable a user: revoke all sessions, pending codes and a factor reset, and block sign-in and password reset.

    Return False if the user was already disabled.

    Raises:
        UserNotFound
    """
    user = find(email)
    if not accounts.disable(user.id):
        return False
    # This also revokes the session of a concurrent sign-in that committed first; a later one sees `disabled_at`.
    revoked = sessions.revoke_all_for(user.id)
    codes.revoke_account_codes(user.normalized_email)
    accounts.cancel_email_changes(user.id)
    pending_resets.cancel(user.id)
    audit.record("account_disabled", user_id=user.id, revoked=revoked)
    return True


def enable(email: EmailAddress) -> bool:
    """Enable a disabled user, who has to sign in again. Return False if the user was not disabled.

    Raises:
        UserNotFound
    """
    user = find(email)
    disabled = update(User).where(User.id == user.id, User.disabled_at.is_not(None))
    if not execute_count(disabled.values(disabled_at=None)):
        return False
    audit.record("account_enabled", user_id=user.id)
    return True


def find(email: EmailAddress) -> User:
    """Return the user of an email address.

    Raises:
        UserNotFound
    """
    user = accounts.find_by_email(email.normalized)
    if user is None:
        raise UserNotFound
    return user
