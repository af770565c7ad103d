"""/auth/login, /auth/reauthenticate."""

from flaskauth.accounts.models import User
from flaskauth.foundation.errors import Overloaded
from flaskauth.foundation.http import Blueprint, public, refuses
from flaskauth.foundation.limits import limited
from flaskauth.login import service
from flaskauth.login.schemas import LoginReply, LoginRequest, ReauthenticateReply, ReauthenticateRequest
from flaskauth.login.service import Credential, Fresh, Welcome, WrongCredentials
from flaskauth.sessions.guards import auth_required, signed_in

bp = Blueprint("login", __name__, tag="Sign-in", url_prefix="/auth")


@bp.post("/login")
@public
@limited("30/minute; 300/hour")
@refuses(WrongCredentials, Overloaded)
@bp.input(LoginRequest, arg_name="form")
@bp.output(LoginReply)
def login(form: Credential) -> Welcome:
    """Sign in with a proven address and its password."""
    return service.sign_in(form)


@bp.post("/reauthenticate")
@limited("30/minute; 300/hour")
@auth_required
@refuses(WrongCredentials, Overloaded)
@bp.input(ReauthenticateRequest, arg_name="form")
@bp.output(ReauthenticateReply)
def reauthenticate(_user: User, form: dict[str, str]) -> Fresh:
    """Give the password again; the new token may change what matters for 10 minutes."""
    return service.reauthenticate(signed_in(), form["password"])
