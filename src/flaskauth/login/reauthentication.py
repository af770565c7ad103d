"""Reauthentication: a signed-in user proves all factors again, and gets a token for sensitive operations."""

from dataclasses import dataclass
from datetime import datetime

from flaskauth import audit
from flaskauth.core import clock
from flaskauth.core.http.request import client_network
from flaskauth.core.passwords import hashing
from flaskauth.login import factors, throttling
from flaskauth.login.factors import REAUTHENTICATION, SubmittedFactor
from flaskauth.login.service import check_own_password
from flaskauth.login.throttling import LoginAttempt
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, lock_session
from flaskauth.signing_keys import access_tokens, amr
from flaskauth.signing_keys.access_tokens import FRESH_LIFETIME


@dataclass(frozen=True)
class ReauthenticationData:
    """The body of a reauthentication: the password, and with MFA on a second factor."""

    password: str
    otp: str | None = None
    recovery_code: str | None = None

    @property
    def factor(self) -> SubmittedFactor | None:
        factor = SubmittedFactor(self.otp, self.recovery_code)
        return factor if factor != SubmittedFactor() else None


@dataclass(frozen=True)
class FreshToken:
    """An access token for sensitive operations, and the time until which it allows them."""

    token: str
    fresh_until: datetime


@hashing.reserves_hash_slot
def reauthenticate(auth: AuthContext, data: ReauthenticationData) -> FreshToken:
    """Check the password and the second factor of the current user again. Return a fresh access token.

    The authentication methods of the session become those that were checked now.

    Raises:
        SecondFactorRequired: MFA is on, and the factor is missing. Nothing was compared.
        InvalidCredentials, InvalidFactor, TooManyRequests, Overloaded
        InvalidToken: the session was revoked during this call.
    """
    user_id, session_id, auth_time = auth.user.id, auth.session.id, auth.session.created_at
    if auth.user.mfa_enabled and data.factor is None:
        raise SecondFactorRequired(**options(auth))
    attempt = _attempt(auth)
    password = check_own_password(auth, data.password)
    factor = factors.verify(data.factor, auth.user, attempt, REAUTHENTICATION) if data.factor else None
    lock_session(auth)
    password.refund()
    if factor:
        factor.consume()
    methods = amr.add(amr.PASSWORD, factor.method) if factor else amr.PASSWORD
    sessions.set_amr(session_id, methods)
    audit.record("reauthenticated", user_id=user_id, session_id=session_id)
    token = access_tokens.issue(user_id, session_id, auth_time, methods, fresh=True)
    return FreshToken(token, clock.now() + FRESH_LIFETIME)


def options(auth: AuthContext) -> dict[str, object]:
    """Return the kinds of factors that the user can reauthenticate with, and the options of a WebAuthn request."""
    user_id = auth.user.id
    return {
        "factors": factors.usable_kinds(user_id),
        "passkey": factors.passkey_options(user_id, REAUTHENTICATION, str(auth.session.id)),
    }


def _attempt(auth: AuthContext) -> LoginAttempt:
    return LoginAttempt(
        auth.user.id, client_network(), auth.session.device_id, is_recognised=True, kind=throttling.SECOND_FACTOR
    )
