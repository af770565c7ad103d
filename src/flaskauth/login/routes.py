"""/auth/login, /auth/second-factor, /auth/reauthenticate."""

from flaskauth.accounts.models import User
from flaskauth.core.errors import Overloaded
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login import reauthentication, second_factor, service
from flaskauth.login.reauthentication import FreshToken, ReauthenticationData
from flaskauth.login.schemas import (
    REAUTHENTICATION_EXAMPLES,
    SECOND_FACTOR_EXAMPLES,
    LoginRequest,
    LoginResponse,
    ReauthenticateRequest,
    ReauthenticateResponse,
    ReauthenticationOptionsResponse,
    SecondFactorRequest,
    SecondFactorResponse,
)
from flaskauth.login.second_factor import SecondFactorData
from flaskauth.login.service import InvalidCredentials, LoginData, LoginResult
from flaskauth.mfa.challenges import ChallengeExpired, SecondFactorRequired
from flaskauth.mfa.verification import InvalidFactor
from flaskauth.sessions.decorators import allow_enrolment, auth_required, current_auth

bp = Blueprint("login", __name__, tag="Sign-in", url_prefix="/auth")


@bp.post("/login")
@public
@rate_limit("login")
@raises(InvalidCredentials, SecondFactorRequired, Overloaded)
@bp.input(LoginRequest, arg_name="form")
@bp.output(LoginResponse)
def login(form: LoginData) -> LoginResult:
    """Sign in with a verified email address and its password.

    The response has an access token, a refresh token, and a `device_token`: send it at the next sign-in on this device.
    """
    return service.sign_in(form)


@bp.post("/second-factor")
@public
@rate_limit("login")
@raises(InvalidFactor, ChallengeExpired, Overloaded)
@bp.input(SecondFactorRequest, arg_name="form", examples=SECOND_FACTOR_EXAMPLES)
@bp.output(SecondFactorResponse)
def confirm_second_factor(form: SecondFactorData) -> dict[str, object]:
    """Complete a sign-in with a second factor.

    Send the `challenge_token` of the sign-in and one factor. After 5 wrong codes, begin the sign-in again.
    """
    result = second_factor.complete(form)
    left = result.recovery_codes_left
    return {**vars(result.login), "remembered_until": result.remembered_until, "recovery_codes_left": left}


@bp.post("/reauthenticate/options")
@rate_limit("verify")
@auth_required
@allow_enrolment
@bp.output(ReauthenticationOptionsResponse)
def get_reauthentication_options(_user: User) -> dict[str, object]:
    """List the second factors for a reauthentication.

    With MFA on, `POST /auth/reauthenticate` requires one of them.
    """
    return reauthentication.options(current_auth())


@bp.post("/reauthenticate")
@rate_limit("login")
@auth_required
@allow_enrolment
@raises(InvalidCredentials, InvalidFactor, SecondFactorRequired, Overloaded)
@bp.input(ReauthenticateRequest, arg_name="form", examples=REAUTHENTICATION_EXAMPLES)
@bp.output(ReauthenticateResponse)
def reauthenticate(_user: User, form: ReauthenticationData) -> FreshToken:
    """Confirm the password, and with MFA on a second factor, before a sensitive operation.

    The new access token allows sensitive operations for 10 minutes. It belongs to the same session.
    """
    return reauthentication.reauthenticate(current_auth(), form)
