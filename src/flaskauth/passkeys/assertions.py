"""Verify assertions of passkeys and security keys against their rows: for a sign-in, or as a second factor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from flaskauth import audit, mail
from flaskauth.accounts.models import User
from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import insert_row
from flaskauth.core.db.session import db, execute_count
from flaskauth.core.observability.log import get_logger
from flaskauth.mfa import code_failures
from flaskauth.mfa.models import ACTIVE_PASSKEY, Passkey, UsedWebauthnChallenge
from flaskauth.mfa.verification import InvalidFactor, VerifiedFactor
from flaskauth.one_time_codes import links
from flaskauth.passkeys import challenges, options, responses
from flaskauth.passkeys.responses import AssertionResponse, CeremonyError
from flaskauth.signing_keys import amr

logger = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class VerifiedPasskey(VerifiedFactor):
    """A right assertion. If `is_complete`, the authenticator has verified the user, so it counts as two factors."""

    user_id: int
    is_complete: bool

    @property
    def complete_methods(self) -> str:
        """The authentication methods of a session in which the passkey is the only proof."""
        return amr.alone(self.method)


def sign_in_options() -> dict[str, object]:
    """Return the options of a sign-in. They name no credential, and are the same for every client."""
    challenge = challenges.issue(challenges.SIGN_IN, "")
    return options.request_options(challenge, [], requires_verification=True)


def factor_options(user_id: int, purpose: str, binding: str) -> dict[str, object] | None:
    """Return the options for the keys of a user, or None if the user has none for the current RP ID."""
    usable = Passkey.user_id == user_id, Passkey.rp_id == settings().rp_id, ACTIVE_PASSKEY
    rows = db.session.execute(select(Passkey.credential_id, Passkey.transports).where(*usable).order_by(Passkey.id))
    allowed = [options.CredentialDescriptor(row.credential_id, row.transports.split()) for row in rows]
    if not allowed:
        return None
    return options.request_options(challenges.issue(purpose, binding), allowed, requires_verification=False)


def verify_sign_in(credential: Mapping[str, object]) -> VerifiedPasskey | None:
    """Return the passkey that signed a challenge for a sign-in, or None. Security keys cannot sign in."""
    return _verify_or_log(credential, challenges.SIGN_IN, "", None)


def verify_factor(user_id: int, credential: Mapping[str, object], purpose: str, binding: str) -> VerifiedPasskey | None:
    """Return the key of this user that signed a challenge for this purpose and binding, or None."""
    return _verify_or_log(credential, purpose, binding, user_id)


def use_challenge(challenge: bytes) -> None:
    """Record that a challenge was used.

    Raises:
        CeremonyError: another request used it.
    """
    expires_at = clock.now() + challenges.LIFETIME + timedelta(minutes=1)
    try:
        insert_row(UsedWebauthnChallenge(digest=crypto.sha256(challenge), expires_at=expires_at))
    except IntegrityError:
        raise CeremonyError("the challenge was used before") from None


def _verify_or_log(
    credential: Mapping[str, object], purpose: str, binding: str, user_id: int | None
) -> VerifiedPasskey | None:
    try:
        return _verify(responses.parse_assertion(credential), purpose, binding, user_id)
    except CeremonyError as error:
        logger.info("passkey_rejected", purpose=purpose, reason=str(error)[:200])
        return None


def _verify(response: AssertionResponse, purpose: str, binding: str, user_id: int | None) -> VerifiedPasskey:
    """Verify an assertion (WebAuthn section 7.2). The work is the same for a credential that does not exist.

    Raises:
        CeremonyError
    """
    from flaskauth.passkeys import verification  # noqa: PLC0415 (imports the library)

    if not challenges.is_valid(response.challenge, purpose, binding):
        raise CeremonyError("the challenge is invalid, expired, or of another ceremony")
    is_sign_in = purpose == challenges.SIGN_IN
    passkey, user_handle = _find(response.credential_digest)
    public_key = passkey.public_key if passkey else None
    verified = verification.verify_assertion(response, public_key, requires_verification=is_sign_in)
    assert passkey
    if passkey.user_id != user_id and not is_sign_in:
        raise CeremonyError("the credential of another user")
    if response.user_handle != user_handle and (is_sign_in or response.user_handle):
        raise CeremonyError("the user handle does not belong to the credential")
    if is_sign_in and not passkey.can_sign_in:
        raise CeremonyError("a security key cannot sign in")
    if verified.is_backup_eligible != passkey.backup_eligible:
        raise CeremonyError("the backup eligibility has changed")
    return VerifiedPasskey(
        method=amr.of_passkey(is_synced=passkey.backup_eligible),
        consume=partial(
            _consume,
            passkey,
            response.challenge,
            verified.sign_count,
            is_backed_up=verified.is_backed_up,
            session_id=int(binding) if purpose == challenges.REAUTHENTICATION else None,
        ),
        user_id=passkey.user_id,
        is_complete=verified.is_user_verified and passkey.can_sign_in,
    )


def _find(credential_digest: bytes) -> tuple[Passkey | None, bytes | None]:
    """Return a credential and the user handle of its user."""
    query = select(Passkey, User.webauthn_user_handle).join(User, User.id == Passkey.user_id)
    row = db.session.execute(query.where(Passkey.credential_digest == credential_digest, ACTIVE_PASSKEY)).first()
    return (row[0], row[1]) if row else (None, None)


def _consume(
    passkey: Passkey, challenge: bytes, sign_count: int, *, is_backed_up: bool, session_id: int | None
) -> None:
    """Record the use of a challenge, and the new counter and backup state. Reset the count of wrong codes.

    Raises:
        InvalidFactor: a concurrent request used the challenge, the key was removed, or its counter did not increase:
            then it may have been copied, and the user is notified. The link of the mail reports the session of a
            reauthentication.
    """
    passkey_id, user_id = passkey.id, passkey.user_id
    try:
        use_challenge(challenge)
    except CeremonyError:
        raise InvalidFactor from None
    has_increased = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0  # 0: it has no counter
    increased = update(Passkey).where(Passkey.id == passkey_id, ACTIVE_PASSKEY, has_increased)
    values = {"sign_count": sign_count, "backed_up": is_backed_up, "last_used_at": clock.now()}
    if not execute_count(increased.values(**values)):
        _report_copy(passkey, session_id)
        raise InvalidFactor
    code_failures.reset(user_id)


def _report_copy(passkey: Passkey, session_id: int | None) -> None:
    db.session.refresh(passkey)
    if passkey.removed_at is not None:
        return
    audit.record("passkey_counter_regressed", user_id=passkey.user_id, session_id=session_id)
    user = db.session.get(User, passkey.user_id)
    assert user
    link = links.issue_report(user, session_id)
    mail.notify("passkeys/counter_regressed", user, link_id=link.id, name=passkey.name)
