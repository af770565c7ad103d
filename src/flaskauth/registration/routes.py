"""/auth/register, /auth/verify, /auth/resend."""

import math
from typing import Any

from flaskauth.accounts.passwords import WeakPassword
from flaskauth.codes.doors import VerificationContested, WrongCode
from flaskauth.foundation.errors import Overloaded
from flaskauth.foundation.http import Blueprint, public, refuses
from flaskauth.foundation.limits import limited
from flaskauth.registration import service
from flaskauth.registration.schemas import (
    RegisterReply,
    RegisterRequest,
    ResendReply,
    ResendRequest,
    VerifyReply,
    VerifyRequest,
)
from flaskauth.registration.service import Joining, Proof

bp = Blueprint("registration", __name__, tag="Registration", url_prefix="/auth")


@bp.post("/register")
@public
@limited("10/minute")
@refuses(WeakPassword, Overloaded)
@bp.input(RegisterRequest, arg_name="form")
@bp.output(RegisterReply)
def register(form: Joining) -> dict[str, Any]:
    """Ask to join; a code goes to the address, and the account exists once it is proven."""
    return {"verification_id": service.register(form)}


@bp.post("/verify")
@public
@limited("120/minute")
@refuses(WrongCode, VerificationContested)
@bp.input(VerifyRequest, arg_name="form")
@bp.output(VerifyReply)
def verify(form: Proof) -> dict[str, Any]:
    """Prove the address with the code from the mail, by the attempt's id, by the address, or with the code alone."""
    service.verify(form)
    return {}


@bp.post("/resend")
@public
@limited("60/minute")
@bp.input(ResendRequest, arg_name="form")
@bp.output(ResendReply)
def resend(form: dict[str, Any]) -> dict[str, Any]:
    """Ask for the code again; the answer is the same whether there is anything to send or not."""
    wait = service.resend(form.get("verification_id"), form.get("email"))
    return {"retry_after": max(1, math.ceil(wait))}
