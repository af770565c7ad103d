"""Register, rename and remove passkeys and security keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from flaskauth import audit
from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.db.session import db
from flaskauth.core.errors import NotFound, ValidationFailed
from flaskauth.core.ids import new_id
from flaskauth.core.observability.log import get_logger
from flaskauth.mfa import factors, recovery_codes
from flaskauth.mfa.models import ACTIVE_PASSKEY, Passkey
from flaskauth.passkeys import assertions, challenges, options, responses
from flaskauth.passkeys.options import PASSKEY, SECURITY_KEY, CredentialDescriptor, UserEntity
from flaskauth.passkeys.responses import CeremonyError
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.signing_keys import amr

MAX_PASSKEYS = 20
USER_HANDLE_LENGTH = 32  # bytes

logger = get_logger(__name__)


@dataclass(frozen=True)
class RegistrationData:
    """The body of a registration. It turns MFA on if `enable_mfa` is true or a second factor is required."""

    credential: Mapping[str, object]
    name: str
    enable_mfa: bool = False


@dataclass(frozen=True)
class Registration:
    """A registered key, and the recovery codes that were created with the first factor."""

    passkey: Passkey
    recovery_codes: Sequence[str] | None


def registration_options(auth: AuthContext, kind: str) -> dict[str, object]:
    """Return the options to create a passkey or a security key. Store a user handle on first use.

    Raises:
        FactorsDisabled
        ValidationFailed: the user has the maximum number of keys.
        InvalidToken: the session was revoked during this call.
    """
    factors.require_available()
    user = lock_session(auth)
    existing = _active_passkeys(user.id)
    _check_maximum(len(existing))
    if user.webauthn_user_handle is None:
        user.webauthn_user_handle = crypto.random_bytes(USER_HANDLE_LENGTH)
    return options.creation_options(
        challenges.issue(_purpose(kind), str(auth.session.id)),
        kind,
        UserEntity(user.webauthn_user_handle, user.email, f"{user.first_name} {user.last_name}".strip()),
        [CredentialDescriptor(passkey.credential_id, passkey.transports.split()) for passkey in existing],
    )


def register(auth: AuthContext, data: RegistrationData) -> Registration:
    """Verify a created credential and store it.

    Raises:
        FactorsDisabled
        ValidationFailed: a check failed, the credential is registered already, or the user has the maximum number.
        InvalidToken: the session was revoked during this call.
    """
    factors.require_available()
    try:
        return _register(auth, data)
    except CeremonyError as error:
        logger.info("passkey_rejected", purpose=challenges.REGISTRATION, reason=str(error)[:200])
        raise ValidationFailed({"credential": ["The credential is invalid. Please try again."]}) from None


def rename(auth: AuthContext, passkey_id: int, name: str) -> Passkey:
    """Change the name of a key.

    Raises:
        NotFound: the user has no such key.
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    passkey = _get(user.id, passkey_id)
    passkey.name = name
    audit.record("passkey_renamed", user_id=user.id, session_id=auth.session.id)
    return passkey


def remove(auth: AuthContext, passkey_id: int) -> None:
    """Remove a key. It no longer verifies anything, and its row is kept for 7 days.

    Raises:
        NotFound: the user has no such key.
        FactorRequired: it is the last factor, and required.
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    passkey = _get(user.id, passkey_id)
    factors.require_removable(user)
    name = passkey.name
    passkey.removed_at = clock.now()
    db.session.flush()
    audit.record("passkey_removed", user_id=auth.user.id, session_id=auth.session.id, amr=auth.session.amr)
    factors.finish_removing(auth, name)


def _register(auth: AuthContext, data: RegistrationData) -> Registration:
    from flaskauth.passkeys import verification  # noqa: PLC0415 (imports the library)

    response = responses.parse_registration(data.credential)
    kind = _kind_of(response.challenge, str(auth.session.id))
    created = verification.verify_registration(response, requires_verification=kind == PASSKEY)
    new_codes = factors.prepare_recovery_codes(auth.user.id)
    user = lock_session(auth)
    _check_maximum(len(_active_passkeys(user.id)))
    digest = crypto.sha256(response.credential_id)
    if db.session.scalar(select(Passkey.id).where(Passkey.credential_digest == digest)) is not None:
        raise CeremonyError("the credential is registered already")
    assertions.use_challenge(response.challenge)
    passkey = Passkey(
        id=new_id(),
        user_id=user.id,
        name=data.name,
        credential_digest=digest,
        credential_id=response.credential_id,
        public_key=created.public_key,
        rp_id=settings().rp_id,
        sign_count=created.sign_count,
        aaguid=created.aaguid,
        transports=" ".join(response.transports),
        can_sign_in=kind == PASSKEY,
        backup_eligible=created.is_backup_eligible,
        backed_up=created.is_backed_up,
        created_at=clock.now(),
    )
    db.session.add(passkey)
    db.session.flush()  # a concurrent registration of the same credential repeats the transaction
    audit.record("passkey_registered", user_id=auth.user.id, session_id=auth.session.id, amr=auth.session.amr)
    method = amr.of_passkey(is_synced=created.is_backup_eligible)
    return Registration(passkey, factors.finish_adding(auth, method, data.name, new_codes, enable_mfa=data.enable_mfa))


def _kind_of(challenge: bytes, binding: str) -> str:
    """Return the kind of key that a challenge was made for.

    Raises:
        CeremonyError: it is invalid, expired, or of another session.
    """
    for kind in (PASSKEY, SECURITY_KEY):
        if challenges.is_valid(challenge, _purpose(kind), binding):
            return kind
    raise CeremonyError("the challenge is invalid, expired, or of another session")


def can_replace_password(user_id: int) -> bool:
    """Return True if a lost device leaves a way to sign in: two passkeys, or a backed-up one and recovery codes."""
    usable = [
        passkey for passkey in _active_passkeys(user_id) if passkey.can_sign_in and passkey.rp_id == settings().rp_id
    ]
    is_backed_up = any(passkey.backed_up for passkey in usable)
    return len(usable) > 1 or (is_backed_up and recovery_codes.count_left(user_id) > 0)


def _purpose(kind: str) -> str:
    return f"{challenges.REGISTRATION} {kind}"


def _active_passkeys(user_id: int) -> Sequence[Passkey]:
    return db.session.scalars(select(Passkey).where(Passkey.user_id == user_id, ACTIVE_PASSKEY)).all()


def _check_maximum(count: int) -> None:
    if count >= MAX_PASSKEYS:
        raise ValidationFailed({"body": ["You have the maximum number of passkeys."]})


def _get(user_id: int, passkey_id: int) -> Passkey:
    passkey = db.session.scalar(
        select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user_id, ACTIVE_PASSKEY)
    )
    if passkey is None:
        raise NotFound
    return passkey
