"""/auth/login, /auth/reauthenticate."""

from flaskauth.accounts.models import User
from flaskauth.core.errors import Overloaded
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login import service
from flaskauth.login.schemas import LoginRequest, LoginResponse, ReauthenticateRequest, ReauthenticateResponse
from flaskauth.login.service import FreshToken, InvalidCredentials, LoginData, LoginResult
from flaskauth.mfa.challenges import SecondFactorRequired
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


@bp.post("/reauthenticate")
@rate_limit("login")
@auth_required
@allow_enrolment
@raises(InvalidCredentials, Overloaded)
@bp.input(ReauthenticateRequest, arg_name="form")
@bp.output(ReauthenticateResponse)
def reauthenticate(_user: User, form: dict[str, str]) -> FreshToken:
    """Confirm the password before a sensitive operation.

    The new access token allows sensitive operations for 10 minutes.
    """
    return service.reauthenticate(current_auth(), form["password"])
