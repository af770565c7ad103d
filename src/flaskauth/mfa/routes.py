"""The routes of the user's factors: /users/factors."""

from flaskauth.accounts.models import User
from flaskauth.core.errors import NotFound, Overloaded, ValidationFailed
from flaskauth.core.http.request import Blueprint, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.mfa import factors, totp
from flaskauth.mfa.factors import FactorOverview, FactorRequired, FactorsDisabled, MfaRequired
from flaskauth.mfa.schemas import (
    ConfirmRequest,
    ConfirmResponse,
    EnrolmentResponse,
    FactorChangedResponse,
    FactorNameRequest,
    FactorsResponse,
    MfaRequest,
    RecoveryCodesResponse,
)
from flaskauth.mfa.totp import Enrolment, EnrolmentEnded
from flaskauth.mfa.verification import InvalidFactor
from flaskauth.sessions.decorators import allow_enrolment, auth_required, current_auth, fresh_auth_required

bp = Blueprint("factors", __name__, tag="Second factors", url_prefix="/users/factors")


@bp.get("")
@rate_limit()
@auth_required
@allow_enrolment
@bp.output(FactorsResponse)
def list_factors(user: User) -> FactorOverview:
    """List the second factors of the current user.

    The names and times are returned, never the secrets.
    """
    return factors.overview(user)


@bp.post("/totp")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(FactorsDisabled)
@bp.input(FactorNameRequest, arg_name="form")
@bp.output(EnrolmentResponse)
def start_totp(_user: User, form: dict[str, str]) -> Enrolment:
    """Add an authenticator app.

    It is required at sign-ins after a code of it is confirmed. A second call in the same session returns the same app.
    """
    return totp.start_enrolment(current_auth(), form["name"])


@bp.post("/totp/<int:factor_id>/confirm")
@rate_limit("verify")
@fresh_auth_required
@allow_enrolment
@raises(EnrolmentEnded, InvalidFactor, Overloaded)
@bp.input(ConfirmRequest, arg_name="form")
@bp.output(ConfirmResponse)
def confirm_totp(_user: User, factor_id: int, form: dict[str, str]) -> dict[str, object]:
    """Confirm an authenticator app with a code of it, in the session that added it.

    The first app turns MFA on and revokes the other sessions. With the first factor, recovery codes are returned once.
    If the clock of the app is wrong, the error has `clock_offset`. After 5 wrong codes, add the app again.
    """
    return {"recovery_codes": totp.confirm(current_auth(), factor_id, form["otp"])}


@bp.patch("/totp/<int:factor_id>")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(NotFound)
@bp.input(FactorNameRequest, arg_name="form")
@bp.output(FactorChangedResponse)
def rename_totp(_user: User, factor_id: int, form: dict[str, str]) -> dict[str, object]:
    """Rename an authenticator app.

    The name is shown in the list and in mails.
    """
    totp.rename(current_auth(), factor_id, form["name"])
    return {}


@bp.delete("/totp/<int:factor_id>")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(NotFound, FactorRequired)
@bp.output(FactorChangedResponse)
def remove_totp(_user: User, factor_id: int) -> dict[str, object]:
    """Remove an authenticator app.

    The other sessions are revoked. Without a factor, MFA is turned off and the recovery codes are removed.
    """
    totp.remove(current_auth(), factor_id)
    return {}


@bp.post("/recovery-codes")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(Overloaded, ValidationFailed)
@bp.output(RecoveryCodesResponse)
def create_recovery_codes(_user: User) -> dict[str, object]:
    """Replace the recovery codes.

    The new codes are returned once. The previous ones are invalid.
    """
    return {"recovery_codes": factors.replace_recovery_codes(current_auth())}


@bp.put("/mfa")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(MfaRequired)
@bp.input(MfaRequest, arg_name="form")
@bp.output(FactorChangedResponse)
def set_mfa(_user: User, form: dict[str, bool]) -> dict[str, object]:
    """Turn the requirement of a second factor on or off.

    The factors stay. Turning it on revokes the other sessions.
    """
    factors.set_mfa(current_auth(), enabled=form["enabled"])
    return {}


@bp.delete("/remembered")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@bp.output(FactorChangedResponse)
def forget_remembered_devices(_user: User) -> dict[str, object]:
    """Require a second factor on all devices again.

    Devices that replaced the second factor no longer do so.
    """
    factors.clear_remembered_devices(current_auth())
    return {}
