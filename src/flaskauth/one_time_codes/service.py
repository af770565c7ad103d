"""Issue, renew, revoke and read one-time codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, Select, Update, and_, bindparam, delete, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.compiled import CompiledStatement, insert_row
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.ids import new_secret_id
from flaskauth.one_time_codes import derivation
from flaskauth.one_time_codes.models import OneTimeCode

CODE_LIFETIME = timedelta(minutes=10)  # NIST SP 800-63B-4 section 3.1.3.2
REUSE_THRESHOLD = timedelta(minutes=3)
FIRST_RESEND_DELAY = timedelta(seconds=60)
RETENTION = timedelta(days=7)
RESET, SIGN_IN, LOST_FACTOR = ACCOUNT_PURPOSES = ("reset", "sign_in", "lost_factor")  # codes for an existing account

CODE_QUERY = CompiledStatement(
    select(*OneTimeCode.__table__.columns).where(OneTimeCode.id == bindparam("code_id")), OneTimeCode
)


@dataclass(frozen=True)
class CodeRequest:
    """The purpose, email address and network of a code, and when its request expires."""

    purpose: str
    normalized_email: str
    network: str
    expires_at: datetime


def issue(request: CodeRequest, *, is_decoy: bool = False, is_suppressed: bool = False) -> OneTimeCode:
    """Insert and return a new code.

    A decoy counts attempts and never verifies. A suppressed code was not mailed; it is invalid until renewed.
    """
    now = clock.now()
    row = OneTimeCode(
        id=new_secret_id(),
        purpose=request.purpose,
        normalized_email=request.normalized_email,
        network=request.network,
        nonce=crypto.random_bytes(32),
        code_expires_at=now + CODE_LIFETIME,
        request_expires_at=request.expires_at,
        attempts=0,
        is_decoy=is_decoy,
        is_suppressed=is_suppressed,
        mails_sent=1,
        resend_at=now + FIRST_RESEND_DELAY,
        created_at=now,
    )
    row.lookup = derivation.lookup_digests(row.purpose, derivation.candidate_codes(row)[0])[0]
    insert_row(row)
    return row


def find(purpose: str, code_id: bytes) -> OneTimeCode | None:
    """Return the code with this id and purpose."""
    row = db.session.get(OneTimeCode, code_id)
    return row if row and row.purpose == purpose else None


def find_newest(purpose: str, normalized_email: str, network: str) -> OneTimeCode | None:
    """Return the newest open code of an email address that was requested from the network, else the newest of all."""
    open_codes = select(OneTimeCode).where(
        OneTimeCode.purpose == purpose,
        OneTimeCode.normalized_email == normalized_email,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.request_expires_at > clock.now(),
    )
    rows = db.session.scalars(open_codes.order_by(OneTimeCode.created_at.desc())).all()
    return next((row for row in rows if row.network == network), rows[0] if rows else None)


def reserve_resend(row: OneTimeCode | None) -> bool:
    """Count a resend if one is due: first after 60 s, then after twice the previous delay. Return True on success."""
    mails_sent, now = (row.mails_sent, clock.now()) if row else (0, clock.now())
    due = update(OneTimeCode).where(
        OneTimeCode.id == (row.id if row else b""),
        OneTimeCode.mails_sent == mails_sent,
        OneTimeCode.resend_at <= now,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.request_expires_at > now,
    )
    return (
        execute_count(
            due.values(mails_sent=mails_sent + 1, resend_at=now + FIRST_RESEND_DELAY * 2 ** min(mails_sent, 11))
        )
        == 1
    )


def release_resend(row: OneTimeCode | None) -> None:
    """Undo `reserve_resend`. Without a row, it runs the same statement."""
    mails_sent, resend_at = (row.mails_sent, row.resend_at) if row else (0, clock.now())
    reserved = update(OneTimeCode).where(
        OneTimeCode.id == (row.id if row else b""), OneTimeCode.mails_sent == mails_sent + 1
    )
    execute_count(reserved.values(mails_sent=mails_sent, resend_at=resend_at))


def resend_available_in(row: OneTimeCode) -> float:
    """Return the seconds until a resend is due, from the database, which includes concurrent requests."""
    resend_at = db.session.scalars(select(OneTimeCode.resend_at).where(OneTimeCode.id == row.id)).one()
    return (resend_at - clock.now()).total_seconds()


def refresh(row: OneTimeCode | None) -> None:
    """Reload the row from the database. Without a row, it runs the same statement."""
    query = select(OneTimeCode).where(OneTimeCode.id == (row.id if row else b""))
    db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def renew(row: OneTimeCode | None) -> None:
    """Replace the code if it is suppressed or expires within 3 minutes. Only the newest code is valid.

    If there is nothing to renew, an UPDATE that matches no row does the same work.
    """
    now = clock.now()
    if row is None or not (row.is_suppressed or row.code_expires_at - now < REUSE_THRESHOLD):
        execute_count(update(OneTimeCode).where(OneTimeCode.id == b"").values(is_suppressed=False))
        return
    row.nonce = crypto.random_bytes(32)
    row.lookup = derivation.lookup_digests(row.purpose, derivation.candidate_codes(row)[0])[0]
    row.code_expires_at = min(now + CODE_LIFETIME, row.request_expires_at)
    row.is_suppressed = False


def suppress_expired(row: OneTimeCode | None) -> None:
    """Mark the code as suppressed if it has expired and its resend was not possible. Without a row, do the same work.

    The client that waits for this mail must not be given the account of another pending request instead.
    """
    expired = update(OneTimeCode).where(
        OneTimeCode.id == (row.id if row else b""), OneTimeCode.code_expires_at <= clock.now()
    )
    execute_count(expired.values(is_suppressed=True))


def minutes_left(row: OneTimeCode) -> str:
    """Return the minutes until the code expires, as mails show them."""
    return str(round((row.code_expires_at - clock.now()) / timedelta(minutes=1)))


def revoke_for_purpose(purpose: str, normalized_email: str) -> None:
    """Revoke the codes of an email address for one purpose. They become decoys, so clients notice no difference."""
    execute_count(revocation(purpose, normalized_email))


def revocation(purpose: str, normalized_email: str | ScalarSelect[str]) -> Update:
    """Return the statement of `revoke_for_purpose`."""
    unused = update(OneTimeCode).where(OneTimeCode.purpose == purpose, OneTimeCode.normalized_email == normalized_email)
    return unused.where(OneTimeCode.used_at.is_(None)).values(is_decoy=True)


def revoke_account_codes(normalized_email: str) -> None:
    """Revoke the codes for the account of an email address. They become decoys."""
    unused = update(OneTimeCode).where(
        OneTimeCode.purpose.in_(ACCOUNT_PURPOSES),
        OneTimeCode.normalized_email == normalized_email,
        OneTimeCode.used_at.is_(None),
    )
    execute_count(unused.values(is_decoy=True))


def revoke_for_email(normalized_email: str) -> None:
    """Revoke the codes of an email address for all purposes."""
    unused = update(OneTimeCode).where(OneTimeCode.normalized_email == normalized_email, OneTimeCode.used_at.is_(None))
    execute_count(unused.values(is_decoy=True))


def revoke_by_ids(ids: Select[bytes]) -> None:
    """Revoke the codes with these ids. They become decoys."""
    unused = update(OneTimeCode).where(OneTimeCode.id.in_(ids), OneTimeCode.used_at.is_(None))
    execute_count(unused.values(is_decoy=True))


def email_condition(normalized_email: str) -> ColumnElement[bool]:
    """Return the condition for all codes of an email address. Listing the purposes lets the query use an index."""
    purposes = db.session.scalars(select(OneTimeCode.purpose).distinct()).all()
    return and_(OneTimeCode.purpose.in_(purposes), OneTimeCode.normalized_email == normalized_email)


def delete_for_email(normalized_email: str, ids: Sequence[bytes]) -> None:
    """Delete the codes of an email address for all purposes, and the codes with these ids."""
    execute_count(delete(OneTimeCode).where(email_condition(normalized_email)))
    execute_count(delete(OneTimeCode).where(OneTimeCode.id.in_(ids)))


def current_code(code_id: bytes) -> str | None:
    """Return the code as mails show it, or None if it is used, revoked or expired."""
    row = CODE_QUERY.first(code_id=code_id)
    return derivation.mailed_code(row) if row and row.is_usable else None


def past_code(code_id: bytes) -> str:
    """Return the code that a mail contained, even if it is no longer valid, or "" if the row is deleted."""
    row = db.session.get(OneTimeCode, code_id)
    return derivation.mailed_code(row) if row else ""


def purge() -> int:
    """Delete one batch of codes whose request expired over a week ago. Return the number of deleted rows."""
    return delete_batch(OneTimeCode.id, OneTimeCode.request_expires_at < clock.now() - RETENTION)
