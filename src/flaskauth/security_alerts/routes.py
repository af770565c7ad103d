"""The routes of the security links: for each a page, and the POST request that its button sends."""

from typing import Any

from flask import Response

from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.one_time_codes import links
from flaskauth.security_alerts import pages, service
from flaskauth.security_alerts.schemas import AccountSecuredResponse, FactorResetCancelledResponse, TokenRequest
from flaskauth.security_alerts.service import LinkExpired

PAGE_RESPONSE: dict[int | str, Any] = {
    200: {"description": "Done", "content": {"text/html": {"schema": {"type": "string"}}}}
}

bp = Blueprint("security_alerts", __name__, tag="Account", url_prefix="/auth", template_folder="templates")


@bp.get("/revert-email-change")
@public
@bp.doc(responses=PAGE_RESPONSE)
def get_revert_email_change_page() -> Response:
    """Show the page that reverts an email change.

    The token is in the URL fragment, so servers do not log it.
    """
    return pages.render_page(links.REVERT_EMAIL_CHANGE)


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


@bp.get("/report-sign-in")
@public
@bp.doc(responses=PAGE_RESPONSE)
def get_report_sign_in_page() -> Response:
    """Show the page that reports a sign-in.

    The token is in the URL fragment, so servers do not log it.
    """
    return pages.render_page(links.REPORT_SIGN_IN)


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


@bp.get("/lost-factor/cancel")
@public
@bp.doc(responses=PAGE_RESPONSE)
def get_cancel_factor_reset_page() -> Response:
    """Show the page that cancels the removal of second factors.

    The token is in the URL fragment, so servers do not log it.
    """
    return pages.render_page(links.CANCEL_FACTOR_RESET)


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
