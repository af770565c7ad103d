"""/auth/register, /auth/verify, /auth/resend."""

import math

from flaskauth.accounts.password_policy import WeakPassword
from flaskauth.core.errors import Overloaded
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.one_time_codes.verification import InvalidCode, VerificationAmbiguous
from flaskauth.registration import service
from flaskauth.registration.schemas import (
    RegisterRequest,
    RegisterResponse,
    ResendRequest,
    ResendResponse,
    VerifyRequest,
    VerifyResponse,
)
from flaskauth.registration.service import RegistrationData, ResendData, VerificationData

bp = Blueprint("registration", __name__, tag="Registration", url_prefix="/auth")


@bp.post("/register")
@public
@rate_limit("register")
@raises(WeakPassword, Overloaded)
@bp.input(RegisterRequest, arg_name="form")
@bp.output(RegisterResponse)
def register(form: RegistrationData) -> dict[str, object]:
    """Register an account.

    A one-time code is sent by email. The account exists once the email address is verified. The response does not
    reveal whether the email address already has an account.
    """
    return {"verification_id": service.register(form)}


@bp.post("/verify")
@public
@rate_limit("verify")
@raises(InvalidCode, VerificationAmbiguous)
@bp.input(VerifyRequest, arg_name="form")
@bp.output(VerifyResponse)
def verify_email(form: VerificationData) -> dict[str, object]:
    """Verify the email address with the code from the mail.

    Send the code with `verification_id` or with the email address, or alone.
    """
    service.verify(form)
    return {}


@bp.post("/resend")
@public
@rate_limit("send_code")
@bp.input(ResendRequest, arg_name="form")
@bp.output(ResendResponse)
def resend_code(form: ResendData) -> dict[str, object]:
    """Request the verification code again.

    The response is the same whether or not there is a code to send.
    """
    return {"retry_after": max(1, math.ceil(service.resend(form)))}
