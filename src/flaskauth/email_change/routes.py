"""/users/email, /users/email/verify."""

from typing import Any

from flaskauth.accounts.models import User
from flaskauth.email_change import service
from flaskauth.email_change.schemas import (
    ChangeEmailReply,
    ChangeEmailRequest,
    EmailChangedReply,
    VerifyEmailRequest,
)
from flaskauth.email_change.service import WrongEmailCode
from flaskauth.foundation.errors import TooManyRequests
from flaskauth.foundation.http import Blueprint, refuses
from flaskauth.foundation.limits import limited
from flaskauth.sessions.guards import auth_required, fresh_auth_required, signed_in

bp = Blueprint("email_change", __name__, tag="Account", url_prefix="/users")


@bp.post("/email")
@limited("10/minute")
@fresh_auth_required
@refuses(TooManyRequests)
@bp.input(ChangeEmailRequest, arg_name="form")
@bp.output(ChangeEmailReply)
def change_email(user: User, form: dict[str, Any]) -> dict[str, Any]:
    """Ask for another address. A code goes to it, and to the present one a mail that can take the change back."""
    service.ask(user, form["email"])
    return {}


@bp.post("/email/verify")
@limited("120/minute")
@auth_required
@refuses(WrongEmailCode)
@bp.input(VerifyEmailRequest, arg_name="form")
@bp.output(EmailChangedReply)
def verify_email(_user: User, form: dict[str, str]) -> dict[str, Any]:
    """Prove the new address with the code from its mail; your other sessions end."""
    return {"user": service.prove(signed_in(), form["otp"])}
