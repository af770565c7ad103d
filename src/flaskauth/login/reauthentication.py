"""Reauthentication: a signed-in user proves all factors again, and gets a token for sensitive operations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flaskauth import audit
from flaskauth.core import clock
from flaskauth.core.errors import APIError
from flaskauth.core.http.request import client_network
from flaskauth.core.passwords import hashing
from flaskauth.login import factor_verification, throttling
from flaskauth.login.factor_verification import SubmittedFactor
from flaskauth.login.service import check_own_password
from flaskauth.login.throttling import LoginAttempt
from flaskauth.mfa import factors, pending_resets, recovery_codes
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.mfa.verification import InvalidFactor, VerifiedFactor
from flaskauth.passkeys.assertions import VerifiedPasskey
from flaskauth.passkeys.challenges import REAUTHENTICATION
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.signing_keys import access_tokens, amr
from flaskauth.signing_keys.access_tokens import FRESH_LIFETIME


@dataclass(frozen=True)
class ReauthenticationData:
    """The body of a reauthentication: the password, and with MFA on a second factor; or a passkey alone."""

    password: str | None = None
    otp: str | None = None
    recovery_code: str | None = None
    passkey: Mapping[str, object] | None = None

    @property
    def factor(self) -> SubmittedFactor | None:
        factor = SubmittedFactor(self.otp, self.recovery_code, self.passkey)
        return factor if factor != SubmittedFactor() else None


@dataclass(frozen=True)
class FreshToken:
    """An access token for sensitive operations, and the time until which it allows them."""

    token: str
    fresh_until: datetime


def reauthenticate(auth: AuthContext, data: ReauthenticationData) -> FreshToken:
    """Check the factors of the current user again. Return a fresh access token.

    The authentication methods of the session become those that were checked now. A second factor cancels a removal of
    the factors. If one is required, it turns MFA on.

    Raises:
        SecondFactorRequired: the factor is needed, and missing. Nothing was compared.
        InvalidCredentials, InvalidFactor, TooManyRequests, Overloaded
        InvalidToken: the session was revoked during this call.
    """
    user_id, session_id, auth_time = auth.user.id, auth.session.id, auth.session.created_at
    methods = _prove_passkey(auth, data) if data.password is None else _prove_password(auth, data, data.password)
    sessions.set_amr(session_id, methods)
    if amr.has_second_factor(methods):
        pending_resets.cancel(user_id)  # the user has found the factor
        if auth.must_enrol:
            factors.turn_on_by_policy(user_id, session_id, methods)
    audit.record("reauthenticated", user_id=user_id, session_id=session_id)
    token = access_tokens.issue(user_id, session_id, auth_time, methods, fresh=True)
    return FreshToken(token, clock.now() + FRESH_LIFETIME)


@hashing.reserves_hash_slot
def _prove_password(auth: AuthContext, data: ReauthenticationData, password: str) -> str:
    """Check the password and, if needed, a second factor. Return the authentication methods."""
    if data.factor is None and factors.is_needed(auth.user):
        raise SecondFactorRequired(**options(auth))
    verified = check_own_password(auth, password)
    try:
        factor = _verify(auth, data.factor) if data.factor else None
    except APIError:  # the password was right
        verified.refund()
        raise
    lock_session(auth)
    verified.refund()
    if factor is None:
        return amr.PASSWORD
    factor.consume()
    if factor.is_recovery_code:
        codes_left = recovery_codes.count_left(auth.user.id)
        factor_verification.report_recovery_code(auth.user, auth.session.id, codes_left)
    return amr.add(amr.PASSWORD, factor.method)


def _prove_passkey(auth: AuthContext, data: ReauthenticationData) -> str:
    """Check a passkey that has verified the user, so that it counts as two factors. Return the methods."""
    assert data.factor
    passkey = _verify(auth, data.factor)
    if not (isinstance(passkey, VerifiedPasskey) and passkey.is_complete):
        raise InvalidFactor
    lock_session(auth)
    passkey.consume()
    return passkey.complete_methods


def _verify(auth: AuthContext, factor: SubmittedFactor) -> VerifiedFactor:
    return factor_verification.verify(factor, auth.user, _attempt(auth), REAUTHENTICATION, str(auth.session.id))


def options(auth: AuthContext) -> dict[str, object]:
    """Return the kinds of factors that the user can reauthenticate with, and the options of a WebAuthn request."""
    return factor_verification.options(auth.user.id, REAUTHENTICATION, str(auth.session.id))


def _attempt(auth: AuthContext) -> LoginAttempt:
    return LoginAttempt(
        auth.user.id,
        client_network(),
        auth.session.device_id,
        is_recognised=True,
        kind=throttling.SECOND_FACTOR,
        session_id=auth.session.id,
    )
