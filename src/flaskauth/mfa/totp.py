"""Authenticator apps: time-based one-time passwords (TOTP, RFC 6238), with SHA-1, 6 digits and 30 seconds."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pyotp
import segno
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, select, true, update

from flaskauth import audit
from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.crypto import DecryptionError
from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import commit_now, db, execute_count, transaction
from flaskauth.core.errors import NotFound, ValidationFailed
from flaskauth.core.ids import new_id
from flaskauth.mfa import factors
from flaskauth.mfa.models import ACTIVE_TOTP, TotpFactor
from flaskauth.mfa.verification import InvalidFactor, VerifiedFactor, WrongClock
from flaskauth.one_time_codes import derivation
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.signing_keys import amr

LABEL = "totp secret"
MAX_FACTORS = 2
SECRET_LENGTH = 20  # bytes (RFC 4226 section 4)
STEP = timedelta(seconds=30)
DIGITS = 6
WINDOW = 1  # steps before and after the current one: a code is valid for 90 seconds
OFFSET_WINDOW = 20  # steps that are searched for the offset of a clock at confirmation
ENROLMENT_LIFETIME = timedelta(minutes=15)
CONFIRMATION_LIMIT = RateLimit(5, ENROLMENT_LIFETIME)
BATCH_SIZE = 500  # rows that one transaction encrypts again

ACTIVE_QUERY = CompiledStatement(
    select(*TotpFactor.__table__.columns).where(TotpFactor.user_id == bindparam("user_id"), ACTIVE_TOTP), TotpFactor
)
USE_STEP = CompiledStatement(
    update(TotpFactor)
    .where(TotpFactor.id == bindparam("factor_id"), TotpFactor.last_step < bindparam("step"), ACTIVE_TOTP)
    .values(last_step=bindparam("step"), last_used_at=bindparam("now"))
)


class EnrolmentEnded(NotFound):
    """404 `not_found`: the app does not exist in this session, was confirmed, has expired, or had 5 wrong codes."""

    code = "not_found"
    message = "This authenticator app can no longer be confirmed. Add it again, and scan the new QR code."


@dataclass(frozen=True)
class Enrolment:
    """A new factor, with the secret to enter or scan in the app."""

    id: int
    secret: str
    uri: str
    qr_svg: str
    expires_at: datetime


def start_enrolment(auth: AuthContext, name: str) -> Enrolment:
    """Insert an unconfirmed factor, or return the one of this session that is still unconfirmed.

    Raises:
        FactorsDisabled
        ValidationFailed: the user has the maximum number of authenticator apps.
        InvalidToken: the session was revoked during this call.
    """
    factors.require_available()
    user, session_id = lock_session(auth), auth.session.id
    _require_below_maximum(user.id)
    factor = db.session.scalar(select(TotpFactor).where(TotpFactor.session_id == session_id, _is_unconfirmed()))
    secret = _decrypt(factor) if factor else None
    if factor is None or secret is None:
        secret = crypto.random_bytes(SECRET_LENGTH)
        factor = _insert(user.id, session_id, name, secret)
    else:
        factor.name = name
    assert factor.expires_at
    uri = _provisioning_uri(secret, user.email)
    return Enrolment(factor.id, _to_base32(secret), uri, _qr_svg(uri), factor.expires_at)


def confirm(auth: AuthContext, factor_id: int, otp: str) -> Sequence[str] | None:
    """Activate a factor with a code of the app. Return recovery codes if it is the first factor of the user.

    The first authenticator app turns MFA on. The code cannot be used again.

    Raises:
        EnrolmentEnded: the factor does not exist, has expired, had 5 wrong codes, or another session started it.
        InvalidFactor: the code is wrong.
        WrongClock: the code is right for another time.
        ValidationFailed: the user has the maximum number of authenticator apps.
        InvalidToken: the session was revoked during this call.
    """
    counter = rate_limits.counter_key("totp confirmation", auth.session.id, factor_id)
    hit = commit_now(rate_limits.hit, (counter, CONFIRMATION_LIMIT))
    factor = _find(auth, factor_id, and_(TotpFactor.session_id == auth.session.id, _is_confirmable()))
    if factor and not hit.is_allowed:
        _abandon(factor_id)
    secret = _decrypt(factor) if factor and hit.is_allowed else None
    if factor is None or secret is None:
        raise EnrolmentEnded
    step = _matching_step(secret, otp, WINDOW)
    if step is None:
        raise _confirmation_error(secret, otp)
    new_codes = factors.prepare_recovery_codes(auth.user.id)
    user = lock_session(auth)
    active_count = _require_below_maximum(user.id)
    _activate(factor_id, step)
    rate_limits.refund(hit)
    audit.record("totp_enrolled", user_id=auth.user.id, session_id=auth.session.id, amr=auth.session.amr)
    return factors.finish_adding(auth, amr.ONE_TIME_CODE, factor.name, new_codes, enable_mfa=not active_count)


def rename(auth: AuthContext, factor_id: int, name: str) -> None:
    """Change the name of a factor.

    Raises:
        NotFound: the user has no such factor.
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    _get(auth, factor_id).name = name
    audit.record("totp_renamed", user_id=user.id, session_id=auth.session.id)


def remove(auth: AuthContext, factor_id: int) -> None:
    """Remove a factor. It no longer verifies anything.

    Raises:
        NotFound: the user has no such factor.
        FactorRequired: it is the last one, and required.
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    factor = _get(auth, factor_id)
    factors.require_removable(user)
    factor.removed_at = clock.now()
    db.session.flush()
    audit.record("totp_removed", user_id=auth.user.id, session_id=auth.session.id, amr=auth.session.amr)
    factors.finish_removing(auth, factor.name)


def verify(user_id: int, otp: str) -> VerifiedFactor | None:
    """Return the factor whose code this is, or None. The caller has counted the attempt."""
    for factor, secret in _active_factors(user_id):
        step = _matching_step(secret, otp, WINDOW)
        if step is not None and step > factor.last_step:  # the UPDATE decides
            return VerifiedFactor(amr.ONE_TIME_CODE, partial(_consume, factor.id, step))
    return None


def has_usable(user_id: int) -> bool:
    """Return True if the user has an authenticator app whose secret can be decrypted."""
    return any(True for _ in _active_factors(user_id))


def reencrypt() -> None:
    """Encrypt the secrets again that only a fallback of the secret key decrypts. Commit each batch."""
    last_id = 0 if settings().secret_key_fallbacks else None
    while last_id is not None:
        last_id = transaction(partial(_reencrypt_batch, last_id))


def count_outdated(connection: Connection) -> tuple[int, int]:
    """Return the numbers of secrets that only a fallback decrypts, and of those that no secret key decrypts."""
    states = [is_current for _user_id, is_current in _stored_states(connection, true())]
    return states.count(False), states.count(None)


def undecryptable_user_ids() -> set[int]:
    """Return the users with an authenticator app whose secret no secret key decrypts."""
    return {
        user_id for user_id, is_current in _stored_states(db.session.connection(), ACTIVE_TOTP) if is_current is None
    }


def _stored_states(connection: Connection, condition: ColumnElement[bool]) -> Iterator[tuple[int, bool | None]]:
    """Yield the user of each secret, and whether the current secret key decrypts it; None if no key does."""
    rows = select(TotpFactor.id, TotpFactor.user_id, TotpFactor.encrypted_secret).where(condition)
    for factor_id, user_id, encrypted_secret in connection.execute(rows):
        try:
            yield user_id, crypto.decrypt(LABEL, encrypted_secret, _associated_data(user_id, factor_id))[1]
        except DecryptionError:
            yield user_id, None


def _insert(user_id: int, session_id: int, name: str, secret: bytes) -> TotpFactor:
    now = clock.now()
    factor = TotpFactor(
        id=new_id(),
        user_id=user_id,
        session_id=session_id,
        name=name,
        last_step=0,
        created_at=now,
        expires_at=now + ENROLMENT_LIFETIME,
    )
    factor.encrypted_secret = _encrypt(factor, secret)
    db.session.add(factor)
    db.session.flush()
    return factor


def _abandon(factor_id: int) -> None:
    """Let `start_enrolment` make a new factor. A concurrent request with a right code may still confirm this one."""
    unconfirmed = update(TotpFactor).where(TotpFactor.id == factor_id, _is_unconfirmed())
    execute_count(unconfirmed.values(expires_at=clock.now()))


def _activate(factor_id: int, step: int) -> None:
    unconfirmed = update(TotpFactor).where(TotpFactor.id == factor_id, _is_confirmable())
    if not execute_count(unconfirmed.values(confirmed_at=clock.now(), expires_at=None, last_step=step)):
        raise InvalidFactor


def _consume(factor_id: int, step: int) -> None:
    """Use the code of a step. A code is valid once, and never after a newer one (RFC 6238 section 5.2).

    Raises:
        InvalidFactor: it was used, or the factor was removed.
    """
    if not USE_STEP.rowcount(factor_id=factor_id, step=step, now=clock.now()):
        raise InvalidFactor
    if settings().secret_key_fallbacks:
        _encrypt_again(db.session.get_one(TotpFactor, factor_id))


def _reencrypt_batch(after_id: int) -> int | None:
    """Encrypt the secrets of one batch again. Return the last id, or None if there are no more."""
    batch = select(TotpFactor).where(TotpFactor.id > after_id).order_by(TotpFactor.id).limit(BATCH_SIZE)
    last_id = None
    for factor in db.session.scalars(batch).all():
        _encrypt_again(factor)
        last_id = factor.id
    return last_id


def _encrypt_again(factor: TotpFactor) -> None:
    try:
        secret, is_current = _decrypt_stored(factor)
    except DecryptionError:
        return
    if not is_current:
        factor.encrypted_secret = _encrypt(factor, secret)


def _active_factors(user_id: int) -> Iterator[tuple[TotpFactor, bytes]]:
    rows = ACTIVE_QUERY.all(user_id=user_id)
    return ((factor, secret) for factor in rows if (secret := _decrypt(factor)))


def _decrypt(factor: TotpFactor) -> bytes | None:
    """Return the secret, or record an event and return None if no secret key decrypts it."""
    try:
        return _decrypt_stored(factor)[0]
    except DecryptionError:
        audit.record("totp_undecryptable", user_id=factor.user_id)
        return None


def _decrypt_stored(factor: TotpFactor) -> tuple[bytes, bool]:
    return crypto.decrypt(LABEL, factor.encrypted_secret, _associated_data(factor.user_id, factor.id))


def _encrypt(factor: TotpFactor, secret: bytes) -> bytes:
    return crypto.encrypt(LABEL, secret, _associated_data(factor.user_id, factor.id))


def _associated_data(user_id: int, factor_id: int) -> bytes:
    return f"{user_id}.{factor_id}".encode()


def _is_unconfirmed() -> ColumnElement[bool]:
    return and_(_is_confirmable(), TotpFactor.expires_at > clock.now())


def _is_confirmable() -> ColumnElement[bool]:
    """Return the condition for a factor that a right code confirms, even if the attempts are used up."""
    is_recent = TotpFactor.created_at > clock.now() - ENROLMENT_LIFETIME
    return and_(TotpFactor.confirmed_at.is_(None), TotpFactor.removed_at.is_(None), is_recent)


def _find(auth: AuthContext, factor_id: int, condition: ColumnElement[bool]) -> TotpFactor | None:
    is_own = TotpFactor.id == factor_id, TotpFactor.user_id == auth.user.id
    return db.session.scalar(select(TotpFactor).where(*is_own, condition))


def _get(auth: AuthContext, factor_id: int) -> TotpFactor:
    factor = _find(auth, factor_id, ACTIVE_TOTP)
    if factor is None:
        raise NotFound
    return factor


def _require_below_maximum(user_id: int) -> int:
    """Return the number of the user's apps.

    Raises:
        ValidationFailed: it is the maximum.
    """
    active = select(func.count()).select_from(TotpFactor).where(TotpFactor.user_id == user_id, ACTIVE_TOTP)
    count = db.session.scalar(active) or 0
    if count >= MAX_FACTORS:
        raise ValidationFailed({"body": ["You have the maximum number of authenticator apps."]})
    return count


def _matching_step(secret: bytes, otp: str, window: int) -> int | None:
    """Return the step within the window whose code this is, or None. All codes are compared, in constant time each."""
    digits, totp, current = derivation.remove_separators(otp), pyotp.TOTP(_to_base32(secret)), _current_step()
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    steps = range(current - window, current + window + 1)
    matching = [step for step in steps if crypto.compare_digest(totp.generate_otp(step).encode(), digits.encode())]
    return max(matching, default=None)


def _confirmation_error(secret: bytes, otp: str) -> InvalidFactor:
    step = _matching_step(secret, otp, OFFSET_WINDOW)
    if step is None:
        return InvalidFactor()
    return WrongClock(clock_offset=int((step - _current_step()) * STEP.total_seconds()))


def _current_step() -> int:
    return int(clock.now().timestamp() // STEP.total_seconds())


def _to_base32(secret: bytes) -> str:
    return base64.b32encode(secret).decode()


def _provisioning_uri(secret: bytes, email: str) -> str:
    issuer = settings().app_name.replace(":", "")
    return pyotp.TOTP(_to_base32(secret), name=email, issuer=issuer).provisioning_uri()


def _qr_svg(uri: str) -> str:
    """Return the QR code as SVG. Its white background keeps it readable in dark mode."""
    svg: str = segno.make(uri, error="m").svg_inline(scale=4, light="#fff", svgclass=None, lineclass=None)
    return svg
