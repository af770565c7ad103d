"""Sign-in with a passkey: without an email address, and with user verification, so that it counts as two factors."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from flaskauth import audit
from flaskauth.login.credentials import load_credentials_by_id
from flaskauth.login.service import InvalidCredentials, LoginProof, LoginResult, complete_login
from flaskauth.mfa.verification import InvalidFactor
from flaskauth.passkeys import assertions


@dataclass(frozen=True)
class PasskeyLoginData:
    """The body of a sign-in with a passkey."""

    credential: Mapping[str, object]
    device_token: str | None = None


def sign_in(data: PasskeyLoginData) -> LoginResult:
    """Verify an assertion and start a session. Every failure has the same response, and is recorded.

    Raises:
        InvalidCredentials
    """
    passkey = assertions.verify_sign_in(data.credential)
    user = load_credentials_by_id(passkey.user_id if passkey else 0, data.device_token)
    if passkey and user.id:
        with suppress(InvalidCredentials, InvalidFactor):
            passkey.consume()
            return complete_login(LoginProof(user, passkey.complete_methods, data.device_token))
    audit.record("sign_in_failed", user_id=user.id or None)
    raise InvalidCredentials
