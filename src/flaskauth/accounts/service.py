"""Find, create and change users."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Select, Update, bindparam, delete, func, select, update
from sqlalchemy.orm import aliased

from flaskauth.accounts.models import EmailChange, User
from flaskauth.core import clock
from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.errors import ValidationFailed
from flaskauth.core.ids import new_id
from flaskauth.countries import service as countries
from flaskauth.countries.models import Country
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes


class PublicUserRow(Protocol):
    """A row with the columns of `PUBLIC_COLUMNS`."""

    def _asdict(self) -> dict[str, Any]: ...


class MailRecipientRow(NamedTuple):
    id: int
    email: str
    locale: str


class EmailOwnerRow(NamedTuple):
    id: int
    email: str
    normalized_email: str
    locale: str


@dataclass(frozen=True)
class StoredCredentials:
    """The stored values to verify a password with. `user_id` 0 without a password means that no user can sign in."""

    user_id: int
    password_hash: str | None
    normalized_email: str
    credential_version: int


CHANGE_RETENTION = timedelta(days=7)
CAN_LOG_IN = (User.is_verified, User.disabled_at.is_(None), User.reset_required.is_(False))
# The columns of a user that responses contain.
PUBLIC_COLUMNS = (
    *(User.id, User.email, User.first_name, User.last_name, User.avatar, User.country_id, User.is_verified),
    *(User.created_at, User.updated_at, Country.name.label("country_name"), Country.code.label("country_code")),
)
NEXT_VERSION = User.credential_version + 1
COUNTRY_JOIN = Country.id == User.country_id

_UNCHANGED_USER = update(User).where(
    User.id == bindparam("user_id"), User.credential_version == bindparam("credential_version"), *CAN_LOG_IN
)
RECORD_LOGIN = CompiledStatement(_UNCHANGED_USER.values(last_login_at=bindparam("now")))
LOCK_CREDENTIALS = CompiledStatement(_UNCHANGED_USER.values(id=User.id))
MAIL_RECIPIENT_QUERY = CompiledStatement(
    select(User.id, User.email, User.locale).where(
        User.normalized_email == bindparam("normalized_email"), User.disabled_at.is_(None)
    ),
    MailRecipientRow,
)
_ADDRESSED = aliased(User)
_OWNER_ID = select(_ADDRESSED.id).where(_ADDRESSED.normalized_email == bindparam("normalized_email"))
EMAIL_OWNER_QUERY = CompiledStatement(
    # One statement for both cases: a second one would reveal a reserved email address by its time.
    select(User.id, User.email, User.normalized_email, User.locale).where(
        User.id == func.coalesce(_OWNER_ID.scalar_subquery(), links.RESERVED_BY.scalar_subquery())
    ),
    EmailOwnerRow,
)


def record_login(user_id: int, credential_version: int) -> bool:
    """Record a login if the user can sign in and no credential has changed since this version. Return True on success.

    The version decides, not the password: a rehashed password is the same one, and a passkey has none.
    """
    return RECORD_LOGIN.rowcount(user_id=user_id, credential_version=credential_version, now=clock.now()) == 1


def lock_credentials(user_id: int, credential_version: int) -> bool:
    """Lock the user's row if the user can sign in and no credential has changed since this version."""
    return LOCK_CREDENTIALS.rowcount(user_id=user_id, credential_version=credential_version) == 1


def public_fields(row: PublicUserRow) -> dict[str, object]:
    """Return the fields of `UserSchema` from a row with `PUBLIC_COLUMNS`."""
    columns = row._asdict()
    country = {"id": columns["country_id"], "name": columns["country_name"], "code": columns["country_code"]}
    return {**columns, "country": country if columns["country_id"] is not None else None}


def get_mail_recipient(normalized_email: str) -> MailRecipientRow | None:
    """Return the user of an email address unless the user is disabled.

    The row is not loaded as an ORM object, because that would take measurably longer for registered email addresses.
    """
    return MAIL_RECIPIENT_QUERY.first(normalized_email=normalized_email)


def find_by_email(normalized_email: str) -> User | None:
    """Return the user of an email address."""
    return db.session.scalar(select(User).where(User.normalized_email == normalized_email))


def get_email_owner(normalized_email: str) -> EmailOwnerRow | None:
    """Return the user of an email address, or the user for whom an unused revert link reserves it."""
    return EMAIL_OWNER_QUERY.first(
        normalized_email=normalized_email, purpose=links.REVERT_EMAIL_CHANGE, now=clock.now()
    )


def create(**fields: object) -> User:
    """Insert and return a user with a verified email address.

    A duplicate email address fails at the flush; the transaction is then retried.
    """
    user = User(id=new_id(), is_verified=True, created_at=clock.now(), **fields)
    db.session.add(user)
    db.session.flush()
    return user


def change_password(credentials: StoredCredentials, password_hash: str) -> bool:
    """Store a new password if no credential has changed since the current one was verified. Return True on success."""
    return _update_unchanged(credentials, password_hash=password_hash, credential_version=NEXT_VERSION)


def store_rehash(credentials: StoredCredentials, password_hash: str) -> bool:
    """Store a new hash of the verified password, unless a credential has changed since. Return True on success."""
    return _update_unchanged(credentials, password_hash=password_hash)


def reset_password(user_id: int, normalized_email: str, password_hash: str) -> bool:
    """Store a password hash if the user still has the verified email address and is not disabled.

    Return True on success.
    """
    unchanged = update(User).where(
        User.id == user_id, User.normalized_email == normalized_email, User.disabled_at.is_(None)
    )
    values = {"password_hash": password_hash, "is_verified": True, "reset_required": False}
    return _change_credential(unchanged, **values)


def change_email(user: User, change: EmailChange) -> bool:
    """Set the verified email address if the previous one has not changed. Return True on success.

    A duplicate email address raises IntegrityError immediately.
    """
    unchanged = update(User).where(User.id == user.id, User.normalized_email == user.normalized_email)
    values = {"email": change.email, "normalized_email": change.normalized_email, "updated_at": clock.now()}
    return _change_credential(unchanged, **values)


def restore_email(user_id: int, email: str, normalized_email: str) -> bool:
    """Set the email address of a user unless it belongs to a different user. Return True on success."""
    owner = find_by_email(normalized_email)
    if owner is not None and owner.id != user_id:
        return False
    values = {"email": email, "normalized_email": normalized_email, "updated_at": clock.now()}
    same_user = update(User).where(User.id == user_id)
    return _change_credential(same_user, **values)


def set_password(user_id: int, password_hash: str) -> None:
    """Store a new password, which is also what a required reset asks for."""
    increase_credential_version(user_id, password_hash=password_hash, reset_required=False)


def remove_password(user_id: int) -> None:
    """Remove the password of a user who signs in with passkeys."""
    increase_credential_version(user_id, password_hash=None)


def clear_password(user_id: int) -> None:
    """Remove the password. Only a password reset restores access: until then, passkeys are rejected too."""
    increase_credential_version(user_id, password_hash=None, reset_required=True)


def disable(user_id: int) -> bool:
    """Reject every sign-in and password reset of a user. Return True if the user was not disabled before."""
    enabled = update(User).where(User.id == user_id, User.disabled_at.is_(None))
    return _change_credential(enabled, disabled_at=clock.now())


def increase_credential_version(user_id: int, **values: object) -> None:
    """Reject the sign-ins that have begun, because a credential changes. Set further columns of the user."""
    _change_credential(update(User).where(User.id == user_id), **values)


def verify_email(user_id: int) -> bool:
    """Mark the email address as verified. Return True if it was not."""
    unverified = update(User).where(User.id == user_id, User.is_verified.is_(False))
    return execute_count(unverified.values(is_verified=True)) == 1


def email_change_ids(user_id: int) -> Select[bytes]:
    """Return a query for the ids of the user's email changes, which are also the ids of their codes."""
    return select(EmailChange.id).where(EmailChange.user_id == user_id)


def cancel_email_changes(user_id: int) -> None:
    """Revoke the codes of all email changes of the user that are not verified yet."""
    codes.revoke_by_ids(email_change_ids(user_id))


def schedule_deletion(user_id: int, due_at: datetime) -> None:
    """Set the time at which the user is erased."""
    execute_count(update(User).where(User.id == user_id).values(deletion_due_at=due_at))


def cancel_deletion(user_id: int) -> bool:
    """Cancel the deletion of a user who is not disabled. Return True if a deletion was scheduled."""
    scheduled = update(User).where(User.id == user_id, User.deletion_due_at.is_not(None), User.disabled_at.is_(None))
    return execute_count(scheduled.values(deletion_due_at=None)) == 1


def due_for_deletion(limit: int) -> Sequence[User]:
    """Return up to `limit` users whose deletion is due, the earliest first."""
    due = select(User).where(User.deletion_due_at <= clock.now()).order_by(User.deletion_due_at)
    return db.session.scalars(due.limit(limit)).all()


def erase(user_id: int) -> bool:
    """Delete a user whose deletion is due, with the sessions, devices and email changes.

    Return False if the deletion was cancelled or already done.
    """
    return execute_count(delete(User).where(User.id == user_id, User.deletion_due_at <= clock.now())) == 1


def purge() -> int:
    """Delete one batch of email changes that were requested over a week ago. Return the number of deleted rows."""
    return delete_batch(EmailChange.id, EmailChange.created_at < clock.now() - CHANGE_RETENTION)


def postpone_deletion(user_id: int, until: datetime) -> None:
    """Postpone a deletion that is due."""
    execute_count(
        update(User).where(User.id == user_id, User.deletion_due_at <= clock.now()).values(deletion_due_at=until)
    )


def make_deletion_due(user_id: int) -> None:
    """Make the deletion of a user due now."""
    execute_count(update(User).where(User.id == user_id).values(deletion_due_at=clock.now()))


def edit(user: User, **changes: object) -> User:
    """Set fields of the user and `updated_at`, and flush. Return the user."""
    for name, value in changes.items():
        setattr(user, name, value)
    user.updated_at = clock.now()
    db.session.flush()
    return user


def lock_user(user_id: int) -> User | None:
    """Lock the user's row until the transaction ends, and return the user as stored now.

    An UPDATE that changes nothing locks the row on SQLite too, where SELECT ... FOR UPDATE locks nothing.
    """
    execute_count(update(User).where(User.id == user_id).values(id=User.id))
    return db.session.get(User, user_id, populate_existing=True)


def avatars_in_use(names: Iterable[str]) -> set[str]:
    """Return the avatars among these names that a user has."""
    return {name for name in db.session.scalars(select(User.avatar).where(User.avatar.in_(names))) if name}


def resolve_country_id(code: str | None, country_id: int | None = None) -> int | None:
    """Return the id of a country that is given by code or id.

    Raises:
        ValidationFailed: the country does not exist.
    """
    if country_id is not None:
        if not countries.has_country(country_id):
            raise ValidationFailed({"country_id": ["Unknown country."]})
        return country_id
    if code is None:
        return None
    country = countries.get_country_by_code(code)
    if country is None:
        raise ValidationFailed({"country": ["Unknown country."]})
    return country.id


def _update_unchanged(credentials: StoredCredentials, **values: object) -> bool:
    unchanged = update(User).where(
        User.id == credentials.user_id, User.credential_version == credentials.credential_version
    )
    return execute_count(unchanged.values(**values)) == 1


def _change_credential(users: Update, **values: object) -> bool:
    """Set columns of a user, and reject the sign-ins that have begun. Return True if the row was found."""
    return execute_count(users.values(**values, credential_version=NEXT_VERSION)) == 1
