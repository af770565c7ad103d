"""Export all stored data of a user, page by page.

The response is streamed while the rows are read, so its size does not affect the memory use. Each page is read in a
short transaction of its own: the request's transaction has ended, and none is open while a slow client reads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import EmailChange, User
from flaskauth.audit.models import AuditEvent
from flaskauth.core import ids
from flaskauth.core.db.session import db, transaction
from flaskauth.core.errors import TooManyRequests
from flaskauth.core.http.schemas import Schema
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.service import MailFilter
from flaskauth.mfa.models import FactorReset, LoginChallenge, Passkey, RecoveryCode, TotpFactor
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.models import EmailLink, OneTimeCode
from flaskauth.profile import export_schemas
from flaskauth.profile.export_schemas import AccountExportResponse
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.sessions.models import Device, Session

PAGE_SIZE = 500  # rows
EXPORT_LIMIT = RateLimit(5, timedelta(hours=1))
VERIFICATION_DURATION = timedelta(minutes=1)  # at most, from the use of a code to the event or account that follows


@dataclass(frozen=True)
class ExportSection:
    """The user's rows of one table, and the schema that serializes them."""

    name: str
    key: InstrumentedAttribute[Any]
    condition: ColumnElement[bool]
    schema: Schema


def export(auth: AuthContext) -> Iterator[bytes]:
    """Return the chunks of one JSON object with all stored data of the user. Record an audit event.

    Raises:
        TooManyRequests
        InvalidToken: the session was revoked during this call.
    """
    lock_session(auth)
    hit = rate_limits.hit((rate_limits.counter_key("export", auth.user.id), EXPORT_LIMIT))
    if not hit.is_allowed:
        raise TooManyRequests(retry_after=hit.retry_after)
    audit.record("account_exported", user_id=auth.user.id, session_id=auth.session.id)
    head = AccountExportResponse(only=("status", "success", "message", "profile")).dump({"profile": auth.user})
    return _write_json(head, _sections(auth.user))


def _sections(user: User) -> list[ExportSection]:
    since = _email_verified_at(user)
    codes_of_user = _codes_of_user(user, since)
    return [
        ExportSection("sessions", Session.id, Session.user_id == user.id, export_schemas.ExportedSessionSchema()),
        ExportSection("devices", Device.id, Device.user_id == user.id, export_schemas.ExportedDeviceSchema()),
        *_factor_sections(user),
        ExportSection("events", AuditEvent.id, AuditEvent.user_id == user.id, export_schemas.ExportedEventSchema()),
        ExportSection(
            "mails", OutboxMail.id, _mails_of_user(user, since, codes_of_user), export_schemas.ExportedMailSchema()
        ),
        ExportSection(
            "email_changes", EmailChange.id, EmailChange.user_id == user.id, export_schemas.ExportedEmailChangeSchema()
        ),
        ExportSection("codes", OneTimeCode.id, codes_of_user, export_schemas.ExportedCodeSchema()),
        ExportSection("links", EmailLink.id, EmailLink.user_id == user.id, export_schemas.ExportedLinkSchema()),
    ]


def _factor_sections(user: User) -> list[ExportSection]:
    return [
        ExportSection(
            "totp_factors", TotpFactor.id, TotpFactor.user_id == user.id, export_schemas.ExportedTotpSchema()
        ),
        ExportSection("passkeys", Passkey.id, Passkey.user_id == user.id, export_schemas.ExportedPasskeySchema()),
        ExportSection(
            "recovery_codes",
            RecoveryCode.id,
            RecoveryCode.user_id == user.id,
            export_schemas.ExportedRecoveryCodeSchema(),
        ),
        ExportSection(
            "login_challenges",
            LoginChallenge.id,
            LoginChallenge.user_id == user.id,
            export_schemas.ExportedLoginChallengeSchema(),
        ),
        ExportSection(
            "factor_resets",
            FactorReset.user_id,
            FactorReset.user_id == user.id,
            export_schemas.ExportedFactorResetSchema(),
        ),
    ]


def _codes_of_user(user: User, since: datetime) -> ColumnElement[bool]:
    """Select the codes of the email address since the user verified it, and the code that verified it.

    Older ones were requested for a former owner of the address, or by other clients.
    """
    is_of_user = or_(OneTimeCode.created_at >= since, OneTimeCode.used_at >= since - VERIFICATION_DURATION)
    return and_(codes.email_condition(user.normalized_email), is_of_user)


def _mails_of_user(user: User, since: datetime, codes_of_user: ColumnElement[bool]) -> ColumnElement[bool]:
    """Select the mails to the email address since the user verified it, and all with the user's codes or links.

    A mail to an address that the user has not verified is omitted: its state would reveal whether the address has an
    account. The address itself is in `email_changes`.
    """
    own_codes = db.session.scalars(select(OneTimeCode.id).where(codes_of_user)).all()
    changes = select(OneTimeCode.id).where(OneTimeCode.id.in_(accounts.email_change_ids(user.id)))
    code_ids = [*own_codes, *db.session.scalars(changes.where(OneTimeCode.used_at.is_not(None)))]
    link_ids = db.session.scalars(links.ids_for_user(user.id)).all()
    mail_filter = MailFilter(user.normalized_email, (user.email,), code_ids, link_ids)
    is_of_user = or_(
        OutboxMail.created_at >= since,
        OutboxMail.code_id.in_(code_ids),
        OutboxMail.link_id.in_(link_ids),
    )
    return and_(mail_filter.condition(), is_of_user)


def _email_verified_at(user: User) -> datetime:
    """Return when the user verified the email address.

    Events are kept for 30 days at least, and codes and mails no longer than that. Without an event of a change, the
    user has had the address since the row was inserted. `created_at` of an imported user is older.
    """
    changes = select(func.max(AuditEvent.at)).where(
        AuditEvent.user_id == user.id, AuditEvent.name.in_(("email_changed", "email_change_reverted"))
    )
    return db.session.scalar(changes) or ids.time_of(user.id)


def _write_json(head: dict[str, object], sections: Sequence[ExportSection]) -> Iterator[bytes]:
    yield orjson.dumps(head)[:-1]
    for section in sections:
        yield f',"{section.name}":['.encode()
        yield from _write_rows(section)
        yield b"]"
    yield b"}"


def _write_rows(section: ExportSection) -> Iterator[bytes]:
    """Yield the rows as JSON with commas between them, one page at a time (keyset pagination)."""
    last_key, comma = None, b""
    while page := transaction(partial(_read_page, section, last_key)):
        last_key, rows = page
        yield comma + orjson.dumps(rows)[1:-1]
        comma = b","
        if len(rows) < PAGE_SIZE:
            return


def _read_page(section: ExportSection, last_key: object) -> tuple[object, list[dict[str, object]]] | None:
    statement = select(section.key.class_).where(section.condition).order_by(section.key).limit(PAGE_SIZE)
    rows = db.session.scalars(statement.where(section.key > last_key) if last_key is not None else statement).all()
    if not rows:
        return None
    return getattr(rows[-1], section.key.key), section.schema.dump(rows, many=True)
