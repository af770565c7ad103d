"""Tasks of operators: show, remove and require the second factors of users, and report on them."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, ScalarSelect, func, select, update

from flaskauth import audit, mail
from flaskauth.accounts import mfa_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core.db.session import db, execute_count, transaction, transaction_for_each
from flaskauth.core.db.types import Base
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.mfa import factor_changes, factors, pending_resets, totp
from flaskauth.mfa.factors import FactorOverview
from flaskauth.mfa.models import ACTIVE_PASSKEY, ACTIVE_TOTP, FactorReset, Passkey, TotpFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.sessions import service as sessions
from flaskauth.user_admin import service


@dataclass(frozen=True)
class FactorReport:
    """How many users have second factors, and how many must have one and have none."""

    users: int
    users_with_factors: int
    users_with_mfa: int
    users_who_must_enrol: int
    authenticator_apps: int
    passkeys: int
    scheduled_resets: int
    secrets_under_old_keys: int
    undecryptable_secrets: int


@dataclass(frozen=True)
class FactorCounts:
    """A user with second factors. `passkeys` includes security keys."""

    email: str
    mfa_enabled: bool
    authenticator_apps: int
    passkeys: int


def get_overview(email: EmailAddress) -> tuple[FactorOverview, datetime | None]:
    """Return the factors of a user, and when a pending factor reset removes them.

    Raises:
        UserNotFound
    """
    user = service.find(email)
    return factors.overview(user), pending_resets.due_at(user.id)


def list_users(limit: int) -> list[FactorCounts]:
    """Return the newest users with second factors, and their numbers of factors."""
    apps = _count_of_user(TotpFactor, ACTIVE_TOTP)
    passkeys = _count_of_user(Passkey, ACTIVE_PASSKEY)
    query = select(User.email, User.mfa_enabled, apps, passkeys).where(User.id.in_(factors.owners()))
    rows = db.session.execute(query.order_by(User.id.desc()).limit(limit))
    return [FactorCounts(*row) for row in rows]


def reset(email: EmailAddress, reason: str) -> bool:
    """Remove all factors of a user, revoke all access and require a password reset. Mail the user.

    The removed ones are deleted too. Return False without a change if the user has no factor and has removed none.

    Raises:
        UserNotFound
    """
    return _reset_user(service.find(email).id, reason)


def reset_undecryptable(reason: str) -> int:
    """Do `reset` for each user with an authenticator app whose secret cannot be decrypted. Return their number.

    Raises:
        ExceptionGroup: it failed for some users. The next call does them.
    """
    return sum(transaction_for_each(transaction(totp.undecryptable_user_ids), partial(_reset_user, reason=reason)))


def require(email: EmailAddress, *, required: bool) -> bool:
    """Set whether a user must have a second factor. Return False if it was set already.

    Raises:
        UserNotFound
    """
    user = service.find(email)
    different = update(User).where(User.id == user.id, User.mfa_required.is_not(required))
    if not execute_count(different.values(mfa_required=required)):
        return False
    audit.record("mfa_requirement_changed", user_id=user.id, required="yes" if required else "no")
    return True


def report() -> FactorReport:
    """Return the numbers of users and factors. `users` and the counts by MFA are without disabled users."""
    enabled = User.disabled_at.is_(None)
    connection = db.session.connection()
    outdated, undecryptable = totp.count_outdated(connection)
    return FactorReport(
        users=_count(User, enabled),
        users_with_factors=factors.count_users(connection),
        users_with_mfa=_count(User, enabled, User.mfa_enabled.is_(True)),
        users_who_must_enrol=_count(
            User, enabled, User.mfa_enabled.is_(False), mfa_policy.required_users(), User.id.not_in(factors.owners())
        ),
        authenticator_apps=_count(TotpFactor, ACTIVE_TOTP),
        passkeys=_count(Passkey, ACTIVE_PASSKEY),
        scheduled_resets=_count(FactorReset),
        secrets_under_old_keys=outdated,
        undecryptable_secrets=undecryptable,
    )


def _reset_user(user_id: int, reason: str) -> bool:
    """Delete the factors and the password, revoke codes and sessions, and mail a link to report the reset.

    Return False without a change if the user does not exist, has no factor and has removed none.
    """
    user = accounts.lock_user(user_id)
    if user is None or not factor_changes.delete_all(user_id):
        return False
    link = links.issue_report(user)
    pending_resets.cancel(user_id)
    accounts.clear_password(user_id)
    codes.revoke_account_codes(user.normalized_email)
    accounts.cancel_email_changes(user_id)
    sessions.revoke_all_for(user_id)
    audit.record("factor_reset_done", user_id=user_id, reason=reason)
    mail.notify("user_admin/factors_reset", user, link_id=link.id)
    return True


def _count_of_user(table: type[TotpFactor] | type[Passkey], condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(table.user_id == User.id, condition).scalar_subquery()


def _count(table: type[Base], *conditions: ColumnElement[bool]) -> int:
    return db.session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
