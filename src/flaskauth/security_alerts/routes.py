"""/auth/revert-email-change, /auth/report-sign-in, /auth/lost-factor/cancel. Their pages are in `web`."""

from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.security_alerts import service
from flaskauth.security_alerts.schemas import AccountSecuredResponse, FactorResetCancelledResponse, TokenRequest
from flaskauth.security_alerts.service import LinkExpired

bp = Blueprint("security_alerts", __name__, tag="Account", url_prefix="/auth")


@bp.post("/revert-email-change")
@public
@rate_limit()
@raises(LinkExpired)
@bp.input(TokenRequest, arg_name="form")
@bp.output(AccountSecuredResponse)
def revert_email_change(form: dict[str, str]) -> dict[str, object]:
    """Revert an email change.

    All sessions are revoked, and a new password must be set.
    """
    service.revert_email_change(form["token"])
    return {}


@bp.post("/report-sign-in")
@public
@rate_limit()
@raises(LinkExpired)
@bp.input(TokenRequest, arg_name="form")
@bp.output(AccountSecuredResponse)
def report_sign_in(form: dict[str, str]) -> dict[str, object]:
    """Report a sign-in that was not yours.

    All sessions are revoked, and a new password must be set.
    """
    service.report_sign_in(form["token"])
    return {}


@bp.post("/lost-factor/cancel")
@public
@rate_limit()
@raises(LinkExpired)
@bp.input(TokenRequest, arg_name="form")
@bp.output(FactorResetCancelledResponse)
def cancel_factor_reset(form: dict[str, str]) -> dict[str, object]:
    """Cancel the removal of your second factors.

    Then change your password: the removal was requested by someone who knows it.
    """
    service.cancel_factor_reset(form["token"])
    return {}
