"""The second step of a sign-in: the client sends the login challenge with a second factor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from flaskauth import audit
from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.http.request import client_network
from flaskauth.login import factor_verification, service, throttling
from flaskauth.login.credentials import CredentialsRow, load_credentials_by_id
from flaskauth.login.factor_verification import SubmittedFactor
from flaskauth.login.service import InvalidCredentials, LoginProof, LoginResult
from flaskauth.login.throttling import LoginAttempt
from flaskauth.mfa import challenges, recovery_codes
from flaskauth.mfa.challenges import ChallengeExpired
from flaskauth.mfa.models import LoginChallenge
from flaskauth.mfa.verification import InvalidFactor
from flaskauth.passkeys.challenges import SECOND_FACTOR
from flaskauth.sessions import devices
from flaskauth.signing_keys import amr


@dataclass(frozen=True)
class SecondFactorData:
    """The body of the second step: the token of the challenge, and one factor."""

    challenge_token: str
    otp: str | None = None
    recovery_code: str | None = None
    passkey: Mapping[str, object] | None = None
    remember_device: bool = False
    device_token: str | None = None

    @property
    def factor(self) -> SubmittedFactor:
        return SubmittedFactor(self.otp, self.recovery_code, self.passkey)


@dataclass(frozen=True)
class SecondFactorResult:
    """The data of a login that was completed with a second factor."""

    login: LoginResult
    remembered_until: datetime | None
    recovery_codes_left: int


def complete(data: SecondFactorData) -> SecondFactorResult:
    """Verify the second factor, consume the challenge and then the factor, and start a session.

    A factor is not consumed if the challenge has expired or a credential has changed meanwhile: the error response is
    committed, and a recovery code would be lost. If a concurrent request used the factor, the challenge stays valid, so
    that the user can send the next code.

    Raises:
        ChallengeExpired, InvalidFactor, TooManyRequests, Overloaded
    """
    challenge = challenges.find(data.challenge_token)
    challenge_id, methods = challenge.id, challenge.amr
    user = load_credentials_by_id(challenge.user_id, data.device_token)
    if not user.id or user.credential_version != challenge.credential_version:
        raise ChallengeExpired
    factor = factor_verification.verify(data.factor, user, _attempt(user, challenge), SECOND_FACTOR, str(challenge_id))
    challenges.consume(challenge_id)
    try:
        result = service.complete_login(LoginProof(user, amr.add(methods, factor.method), data.device_token, factor))
    except InvalidFactor:
        challenges.release(challenge_id)
        raise
    except InvalidCredentials:
        raise ChallengeExpired from None
    codes_left = recovery_codes.count_left(user.id)
    if factor.is_recovery_code:
        factor_verification.report_recovery_code(user, result.session_id, codes_left)
    is_remembered = data.remember_device and methods == amr.PASSWORD
    return SecondFactorResult(result, _remember(user.id, result) if is_remembered else None, codes_left)


def _attempt(user: CredentialsRow, challenge: LoginChallenge) -> LoginAttempt:
    """Return the attempt. The client is recognised as at the first step, where it sent the device token too."""
    return LoginAttempt(
        user.id,
        client_network(),
        user.device_id or challenge.device_id,
        is_recognised=user.is_recognised or challenge.device_id is not None,
        kind=throttling.SECOND_FACTOR,
        challenge_id=challenge.id,
    )


def _remember(user_id: int, result: LoginResult) -> datetime | None:
    """Let the device replace the second factor for REMEMBER_DEVICE_DAYS. Return the end, or None if this is off."""
    days = settings().remember_device_days
    if not days:
        return None
    until = clock.now() + timedelta(days=days)
    devices.remember(result.device_id, until)
    audit.record("device_remembered", user_id=user_id, session_id=result.session_id)
    return until
