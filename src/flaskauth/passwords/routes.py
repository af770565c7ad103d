"""/auth/forgot-password, /auth/reset-password, /auth/change-password."""

from typing import Any

from flaskauth.accounts.models import User
from flaskauth.accounts.passwords import WeakPassword
from flaskauth.foundation.errors import Overloaded
from flaskauth.foundation.http import Blueprint, public, refuses
from flaskauth.foundation.limits import limited
from flaskauth.login.service import WrongCredentials
from flaskauth.passwords import service
from flaskauth.passwords.schemas import (
    ChangePasswordRequest,
    ForgotPasswordReply,
    ForgotPasswordRequest,
    PasswordChangedReply,
    ResetPasswordRequest,
)
from flaskauth.passwords.service import Reset, WrongResetCode
from flaskauth.sessions.guards import auth_required, signed_in

bp = Blueprint("passwords", __name__, tag="Passwords", url_prefix="/auth")


@bp.post("/forgot-password")
@public
@limited("10/minute")
@bp.input(ForgotPasswordRequest, arg_name="form")
@bp.output(ForgotPasswordReply)
def forgot_password(form: dict[str, Any]) -> dict[str, Any]:
    """Have a code mailed that sets a new password; the answer is the same whether the address has an account or not."""
    return {"reset_id": service.forgot(form["email"])}


@bp.post("/reset-password")
@public
@limited("120/minute")
@refuses(WrongResetCode, WeakPassword, Overloaded)
@bp.input(ResetPasswordRequest, arg_name="form")
@bp.output(PasswordChangedReply)
def reset_password(form: Reset) -> dict[str, Any]:
    """Set a new password with the code from the mail, by the reset's id or by the address; every session ends."""
    service.reset(form)
    return {}


@bp.post("/change-password")
@limited("30/minute; 300/hour")
@auth_required
@refuses(WrongCredentials, WeakPassword, Overloaded)
@bp.input(ChangePasswordRequest, arg_name="form")
@bp.output(PasswordChangedReply)
def change_password(_user: User, form: dict[str, str]) -> dict[str, Any]:
    """Set a new password with the one that you have; all sessions but this one end."""
    service.change(signed_in(), form["current_password"], form["password"])
    return {}
