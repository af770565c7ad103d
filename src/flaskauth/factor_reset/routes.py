"""/auth/lost-factor, /auth/lost-factor/confirm."""

from flaskauth.core.errors import NotFound
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.factor_reset import service
from flaskauth.factor_reset.schemas import (
    ConfirmLostFactorRequest,
    ConfirmLostFactorResponse,
    LostFactorRequest,
    LostFactorResponse,
)
from flaskauth.factor_reset.service import FactorResetData
from flaskauth.login.mailed_codes import InvalidMailedCode
from flaskauth.mfa.challenges import ChallengeExpired

bp = Blueprint("factor_reset", __name__, tag="Second factors", url_prefix="/auth/lost-factor")


@bp.before_request
def require_factor_reset() -> None:
    """Respond with 404 if users cannot have their factors removed."""
    if not service.is_enabled():
        raise NotFound


@bp.post("")
@public
@rate_limit("send_code")
@raises(ChallengeExpired, NotFound)
@bp.input(LostFactorRequest, arg_name="form")
@bp.output(LostFactorResponse)
def request_lost_factor_code(form: dict[str, str]) -> dict[str, object]:
    """Request a code that removes your second factors.

    Use it if you have lost them. The response does not reveal whether the code is sent: you must have used a second
    factor on this device or network before, and must not have reset your password in the last 30 days.
    """
    return {"reset_id": service.request_code(form["challenge_token"])}


@bp.post("/confirm")
@public
@rate_limit("verify")
@raises(InvalidMailedCode, NotFound)
@bp.input(ConfirmLostFactorRequest, arg_name="form")
@bp.output(ConfirmLostFactorResponse)
def confirm_lost_factor(form: FactorResetData) -> dict[str, object]:
    """Schedule the removal of your second factors.

    They are removed after `FACTOR_RESET_DELAY` hours. A mail each day has a link that cancels the removal.
    """
    return {"due_at": service.confirm(form)}
