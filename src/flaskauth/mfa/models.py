"""The tables of factors, recovery codes, login challenges and factor resets.

A removed factor or code set keeps its rows for 7 days, so that a report link can restore it; it verifies nothing.
"""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, String, and_
from sqlalchemy.orm import Mapped, mapped_column

from flaskauth.core.db.types import Base, ExactString, FixedBinary, UTCDateTime


def _user_key(*, primary_key: bool = False) -> Mapped[int]:
    return mapped_column(ForeignKey("users.id", onupdate="CASCADE", ondelete="CASCADE"), primary_key=primary_key)


class TotpFactor(Base):
    """An authenticator app (RFC 6238). It verifies codes from its confirmation until its removal.

    `session_id` is the session that enrolled it. `last_step` is the newest time step whose code was used.
    """

    __tablename__ = "totp_factors"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"), Index(None, "removed_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = _user_key()
    session_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(64))
    encrypted_secret: Mapped[bytes] = mapped_column(FixedBinary(128))
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Passkey(Base):
    """A WebAuthn credential: a passkey if `can_sign_in`, else a security key or restored passkey: a second factor only.

    `credential_digest` is the SHA-256 of the id, which is too long for a unique index.
    """

    __tablename__ = "passkeys"
    __table_args__ = (Index(None, "user_id"), Index(None, "removed_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = _user_key()
    name: Mapped[str] = mapped_column(String(64))
    credential_digest: Mapped[bytes] = mapped_column(FixedBinary(32), unique=True)
    credential_id: Mapped[bytes] = mapped_column(FixedBinary(1023))
    public_key: Mapped[bytes] = mapped_column(FixedBinary(1024))
    rp_id: Mapped[str] = mapped_column(ExactString(253))
    sign_count: Mapped[int] = mapped_column(BigInteger)
    aaguid: Mapped[bytes] = mapped_column(FixedBinary(16))
    transports: Mapped[str] = mapped_column(String(64))
    can_sign_in: Mapped[bool] = mapped_column(Boolean(create_constraint=False))
    backup_eligible: Mapped[bool] = mapped_column(Boolean(create_constraint=False))
    backed_up: Mapped[bool] = mapped_column(Boolean(create_constraint=False))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class RecoveryCode(Base):
    """A single-use code for a user who has lost the factors. The codes of a set share a salt: one hash per attempt."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index(None, "user_id", "digest"), Index(None, "removed_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = _user_key()
    salt: Mapped[bytes] = mapped_column(FixedBinary(16))
    digest: Mapped[bytes] = mapped_column(FixedBinary(32))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class LoginChallenge(Base):
    """A sign-in whose first factor was right and whose second one is missing. Only the digest of its token is stored.

    It is valid until `expires_at`, for one use, and while the `credential_version` of the user stays the same.
    `device_id` is the recognised device, `network` that of the client.
    """

    __tablename__ = "login_challenges"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    token_digest: Mapped[bytes] = mapped_column(FixedBinary(32), unique=True)
    user_id: Mapped[int] = _user_key()
    credential_version: Mapped[int] = mapped_column(Integer)
    amr: Mapped[str] = mapped_column(String(64))
    device_id: Mapped[int | None] = mapped_column(BigInteger)
    network: Mapped[str] = mapped_column(ExactString(64))
    attempts: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class UsedWebauthnChallenge(Base):
    """The digest of a WebAuthn challenge that was used. Challenges have no row until then."""

    __tablename__ = "used_webauthn_challenges"
    __table_args__ = (Index(None, "expires_at"),)

    digest: Mapped[bytes] = mapped_column(FixedBinary(32), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)


class FactorReset(Base):
    """A requested removal of all factors of a user.

    A mailed code confirmed it. It takes effect at `due_at` unless the mailed link cancels it.
    """

    __tablename__ = "factor_resets"
    __table_args__ = (Index(None, "due_at"), Index(None, "requested_at"))

    user_id: Mapped[int] = _user_key(primary_key=True)
    link_id: Mapped[bytes] = mapped_column(FixedBinary(16))
    network: Mapped[str] = mapped_column(ExactString(64))
    requested_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)


ACTIVE_TOTP = and_(TotpFactor.confirmed_at.is_not(None), TotpFactor.removed_at.is_(None))
ACTIVE_PASSKEY = Passkey.removed_at.is_(None)
UNUSED_CODE = and_(RecoveryCode.used_at.is_(None), RecoveryCode.removed_at.is_(None))
