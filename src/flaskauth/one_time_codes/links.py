"""Mailed links that revert an email change, report a sign-in or cancel a factor reset: valid for 7 days, single-use.

The first two restore the email address that they were mailed to. Of two addresses, the one with the older link is
restored, so a link to an attacker's address cannot undo a link to the owner's (ADR 17).

The token is in the URL fragment, which servers, logs and mail scanners do not see. Only a POST consumes it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import Select, bindparam, delete, func, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import CompiledStatement, insert_row
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.ids import new_secret_id
from flaskauth.one_time_codes.models import EmailLink

REVERT_EMAIL_CHANGE = "revert-email-change"
REPORT_SIGN_IN = "report-sign-in"
CANCEL_FACTOR_RESET = "lost-factor/cancel"
LIFETIME = timedelta(days=7)
RETENTION = timedelta(days=7)


class LinkOwner(Protocol):
    """A user, or a row of one."""

    @property
    def id(self) -> int: ...

    @property
    def email(self) -> str: ...

    @property
    def normalized_email(self) -> str: ...


class CreatedAtRow(NamedTuple):
    created_at: datetime | None


NEWEST_QUERY = CompiledStatement(
    select(func.max(EmailLink.created_at).label("created_at")).where(EmailLink.user_id == bindparam("user_id")),
    CreatedAtRow,
)


# The user to whom an unused link of a purpose would return an email address.
RESERVED_BY = (
    select(EmailLink.user_id)
    .where(
        EmailLink.normalized_email == bindparam("normalized_email"),
        EmailLink.purpose == bindparam("purpose"),
        EmailLink.used_at.is_(None),
        EmailLink.expires_at > bindparam("now"),
    )
    .limit(1)
)


def issue(
    purpose: str,
    user_id: int,
    *,
    email: str,
    normalized_email: str,
    session_id: int | None = None,
) -> EmailLink:
    """Insert and return a new link that is mailed to this email address. Only the digest of its token is stored."""
    now = clock.now()
    row = EmailLink(
        id=new_secret_id(),
        purpose=purpose,
        user_id=user_id,
        session_id=session_id,
        email=email,
        normalized_email=normalized_email,
        nonce=crypto.random_bytes(32),
        created_at=_later_than_all(user_id, now),
        expires_at=now + LIFETIME,
    )
    row.digest = _digest(_candidate_tokens(row)[0])
    insert_row(row)
    return row


def issue_report(user: LinkOwner, session_id: int | None = None) -> EmailLink:
    """Insert and return a link that reports a session of the user, or what happened since the link was mailed."""
    return issue(
        REPORT_SIGN_IN, user.id, email=user.email, normalized_email=user.normalized_email, session_id=session_id
    )


def consume(purpose: str, token: str) -> EmailLink | None:
    """Mark the link of a token as used and return it, or None if the token is invalid, used or expired."""
    conditions = (EmailLink.digest == _digest(token), EmailLink.purpose == purpose, EmailLink.used_at.is_(None))
    usable = update(EmailLink).where(*conditions, EmailLink.expires_at > clock.now())
    if not execute_count(usable.values(used_at=clock.now())):
        return None
    return db.session.scalars(select(EmailLink).where(EmailLink.digest == _digest(token))).one()


def revoke_newer(link: EmailLink) -> None:
    """Revoke the user's links of every purpose that were created after the given link."""
    unused = update(EmailLink).where(EmailLink.user_id == link.user_id, EmailLink.used_at.is_(None))
    execute_count(unused.where(EmailLink.created_at > link.created_at).values(used_at=clock.now()))


def revoke_superseded(user_id: int, normalized_email: str) -> None:
    """Revoke the user's links to other email addresses that are newer than the oldest valid link to this address.

    Call it after the user has verified that they can read mail to this address. They can also use that oldest link, so
    no newer link to a different address may undo this.
    """
    unused = EmailLink.user_id == user_id, EmailLink.used_at.is_(None), EmailLink.expires_at > clock.now()
    oldest = db.session.scalar(
        select(func.min(EmailLink.created_at)).where(*unused, EmailLink.normalized_email == normalized_email)
    )
    if oldest is not None:
        superseded = update(EmailLink).where(
            *unused, EmailLink.normalized_email != normalized_email, EmailLink.created_at > oldest
        )
        execute_count(superseded.values(used_at=clock.now()))


def ids_for_user(user_id: int) -> Select[bytes]:
    """Return a query for the ids of the user's links."""
    return select(EmailLink.id).where(EmailLink.user_id == user_id)


def delete_for_user(user_id: int) -> None:
    """Delete the links of a user."""
    execute_count(delete(EmailLink).where(EmailLink.user_id == user_id))


def reserved_emails(purpose: str, normalized_emails: Sequence[str]) -> frozenset[str]:
    """Return the email addresses that an unused link of this purpose would return to a user."""
    unused = select(EmailLink.normalized_email).where(
        EmailLink.normalized_email.in_(normalized_emails), EmailLink.purpose == purpose, EmailLink.used_at.is_(None)
    )
    return frozenset(filter(None, db.session.scalars(unused.where(EmailLink.expires_at > clock.now()))))


def current_url(link_id: bytes) -> str | None:
    """Return the URL of a link, or None if it is used or expired."""
    row = db.session.get(EmailLink, link_id)
    return _url(row) if row and row.is_usable else None


def past_url(link_id: bytes) -> str:
    """Return the URL that a mail contained, even if the link is used or expired, or "" if the row is deleted."""
    row = db.session.get(EmailLink, link_id)
    return _url(row) if row else ""


def purge() -> int:
    """Delete one batch of links that expired over a week ago. Return the number of deleted rows."""
    return delete_batch(EmailLink.id, EmailLink.expires_at < clock.now() - RETENTION)


def _later_than_all(user_id: int, now: datetime) -> datetime:
    """Return `now`, or a later time if a server whose clock is ahead issued the newest link.

    The order of the creation times must be the order of issue, because an older link takes precedence (ADR 17).
    """
    newest = NEWEST_QUERY.one(user_id=user_id).created_at
    return max(now, newest + timedelta.resolution) if newest else now


def _url(row: EmailLink) -> str:
    token = next((token for token in _candidate_tokens(row) if _digest(token) == row.digest), "")
    return f"{settings().public_url}/auth/{row.purpose}#{token}"


def _candidate_tokens(row: EmailLink) -> list[str]:
    """Return the link's token under the current secret key, then under each fallback."""
    return [crypto.base64url_encode(raw) for raw in crypto.macs_all_keys("link token", row.purpose, row.id, row.nonce)]


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
