"""Sign-in with a mailed code instead of the password, if `EMAIL_SIGN_IN` is set."""

from dataclasses import dataclass

from flaskauth import audit, mail
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.login import mailed_codes
from flaskauth.login.credentials import CredentialsRow, load_credentials
from flaskauth.login.mailed_codes import InvalidMailedCode, MailedCodeRequest
from flaskauth.login.service import InvalidCredentials, LoginProof, LoginResult, complete_login
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.service import SIGN_IN
from flaskauth.one_time_codes.verification import InvalidCode
from flaskauth.signing_keys import amr


@dataclass(frozen=True)
class EmailSignInData:
    """A submitted code with the id of its request or an email address, and the device token of an earlier sign-in."""

    otp: str
    sign_in_id: bytes | None = None
    email: EmailAddress | None = None
    device_token: str | None = None


def request_code(request: MailedCodeRequest) -> bytes:
    """Mail a sign-in code to the owner of an email address. Return the id of the request."""
    mailed = mailed_codes.issue(SIGN_IN, request)
    mail.notify("login/sign_in_code", mailed.recipient, code=mailed.code, state=mailed.state)
    audit.record("sign_in_code_requested", user_id=mailed.user_id or None)
    return mailed.code.id


def sign_in(data: EmailSignInData) -> LoginResult:
    """Start a session with a mailed code, and revoke the other sign-in codes of the account.

    Raises:
        InvalidMailedCode, TooManyRequests
        SecondFactorRequired: the code is right.
    """
    try:
        user = _consume_code(data)
        return complete_login(LoginProof(user, amr.EMAIL, data.device_token))
    except (InvalidCode, InvalidCredentials):
        audit.record("invalid_code", purpose=SIGN_IN)
        raise InvalidMailedCode from None


def _consume_code(data: EmailSignInData) -> CredentialsRow:
    """Consume the code and return its user.

    Raises:
        InvalidCode: also if the account cannot sign in.
        TooManyRequests
    """
    verified = mailed_codes.verify(SIGN_IN, data.otp, data.sign_in_id, data.email)
    user = load_credentials(verified.normalized_email, data.device_token)
    if not user.id:
        raise InvalidCode
    verified.refund()
    verified.consume()
    codes.revoke_for_purpose(SIGN_IN, user.normalized_email)
    return user
