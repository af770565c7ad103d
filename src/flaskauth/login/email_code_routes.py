"""/auth/email-code, /auth/email-code/verify."""

from flaskauth.core.context import settings
from flaskauth.core.errors import NotFound
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login import email_code
from flaskauth.login.email_code import EmailSignInData
from flaskauth.login.mailed_codes import InvalidMailedCode, MailedCodeRequest
from flaskauth.login.schemas import (
    EMAIL_SIGN_IN_EXAMPLES,
    EmailCodeResponse,
    EmailSignInRequest,
    LoginResponse,
    MailCodeRequest,
)
from flaskauth.login.service import LoginResult
from flaskauth.mfa.challenges import SecondFactorRequired

bp = Blueprint("email_code", __name__, tag="Sign-in", url_prefix="/auth")


@bp.before_request
def require_email_sign_in() -> None:
    """Respond with 404 if sign-in with a mailed code is off."""
    if not settings().email_sign_in:
        raise NotFound


@bp.post("/email-code")
@public
@rate_limit("send_code")
@raises(NotFound)
@bp.input(MailCodeRequest, arg_name="form")
@bp.output(EmailCodeResponse)
def request_email_code(form: MailedCodeRequest) -> dict[str, object]:
    """Request a sign-in code by mail.

    The response does not reveal whether the email address has an account. Only available with `EMAIL_SIGN_IN`.
    """
    return {"sign_in_id": email_code.request_code(form)}


@bp.post("/email-code/verify")
@public
@rate_limit("verify")
@raises(InvalidMailedCode, SecondFactorRequired, NotFound)
@bp.input(EmailSignInRequest, arg_name="form", examples=EMAIL_SIGN_IN_EXAMPLES)
@bp.output(LoginResponse)
def sign_in_with_email_code(form: EmailSignInData) -> LoginResult:
    """Sign in with the code from the mail, without the password.

    Send the code with `sign_in_id` or with the email address. Only available with `EMAIL_SIGN_IN`.
    """
    return email_code.sign_in(form)
