"""The pages that the links of security mails open. They exist with `PAGES=false` too.

The token is in the fragment of the URL, so servers do not log it, and the script of the page moves it to the form.
Without scripts, users paste it. A page changes nothing until its button is pressed, because mail scanners and previews
also open links.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import request
from werkzeug.wrappers import Response

from flaskauth.core.errors import APIError
from flaskauth.core.http.request import public
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.core.observability import metrics
from flaskauth.core.translations import Text
from flaskauth.one_time_codes import links
from flaskauth.security_alerts import service
from flaskauth.security_alerts.schemas import TokenRequest
from flaskauth.security_alerts.service import LinkExpired
from flaskauth.web import forms, urls
from flaskauth.web.blueprint import link_bp
from flaskauth.web.rendering import render_public


@dataclass(frozen=True)
class SecurityLink:
    """What a link does, and the texts of its page. `next_page` is offered afterwards."""

    perform: Callable[[str], None]
    title: Text
    question: Text
    button: Text
    result: Text
    next_page: str
    next_label: Text


PAGE_RESPONSE: dict[int | str, Any] = {
    200: {"description": "Done", "content": {"text/html": {"schema": {"type": "string"}}}}
}
SECURED = Text(
    "All devices are signed out. Now set a new password: choose “Forgot password” where you usually sign in."
    " Until then, you cannot sign in."
)
SECURITY_LINKS = {
    links.REVERT_EMAIL_CHANGE: SecurityLink(
        service.revert_email_change,
        title=Text("Keep your email address"),
        question=Text(
            "Someone asked to change the email address of your account. If this wasn't you, keep this address."
            " All devices are then signed out, and you set a new password."
        ),
        button=Text("Keep this address"),
        result=SECURED,
        next_page="/forgot",
        next_label=Text("Set a new password"),
    ),
    links.REPORT_SIGN_IN: SecurityLink(
        service.report_sign_in,
        title=Text("Was this you?"),
        question=Text(
            "The mail says what happened in your account. If this wasn't you, tell us. All devices are then signed out,"
            " later changes to your email address and second factors are undone, and you set a new password."
        ),
        button=Text("This wasn't me"),
        result=SECURED,
        next_page="/forgot",
        next_label=Text("Set a new password"),
    ),
    links.CANCEL_FACTOR_RESET: SecurityLink(
        service.cancel_factor_reset,
        title=Text("Keep your second factors"),
        question=Text(
            "Someone who knows your password asked to remove the second factors of your account. If this wasn't you,"
            " keep them."
        ),
        button=Text("Keep my second factors"),
        result=Text("Your second factors are kept. Now sign in and change your password: someone knows it."),
        next_page="/account/password",
        next_label=Text("Change your password"),
    ),
}


@link_bp.get("/auth/revert-email-change")
@public
@link_bp.doc(responses=PAGE_RESPONSE)
def get_revert_email_change_page() -> Response:
    """Show the page that reverts an email change.

    The token is in the URL fragment, so servers do not log it.
    """
    return _render(links.REVERT_EMAIL_CHANGE)


@link_bp.post("/auth/revert-email-change/confirm")
@public
@rate_limit()
@link_bp.doc(hide=True)
def revert() -> Response:
    """Revert an email change. All sessions are revoked, and a new password must be set."""
    return _perform(links.REVERT_EMAIL_CHANGE)


@link_bp.get("/auth/report-sign-in")
@public
@link_bp.doc(responses=PAGE_RESPONSE)
def get_report_sign_in_page() -> Response:
    """Show the page that reports a sign-in.

    The token is in the URL fragment, so servers do not log it.
    """
    return _render(links.REPORT_SIGN_IN)


@link_bp.post("/auth/report-sign-in/confirm")
@public
@rate_limit()
@link_bp.doc(hide=True)
def report() -> Response:
    """Report a sign-in. All sessions are revoked, and a new password must be set."""
    return _perform(links.REPORT_SIGN_IN)


@link_bp.get("/auth/lost-factor/cancel")
@public
@link_bp.doc(responses=PAGE_RESPONSE)
def get_cancel_factor_reset_page() -> Response:
    """Show the page that cancels the removal of second factors.

    The token is in the URL fragment, so servers do not log it.
    """
    return _render(links.CANCEL_FACTOR_RESET)


@link_bp.post("/auth/lost-factor/cancel/confirm")
@public
@rate_limit()
@link_bp.doc(hide=True)
def cancel() -> Response:
    """Cancel the removal of second factors."""
    return _perform(links.CANCEL_FACTOR_RESET)


def _render(purpose: str, error: APIError | None = None) -> Response:
    return render_public("security_link.html", error=error, link=SECURITY_LINKS[purpose], link_path=f"/auth/{purpose}")


def _perform(purpose: str) -> Response:
    """Do what the link is for, and show the result."""
    link = SECURITY_LINKS[purpose]
    token = request.form.get("token", "").rpartition("#")[2].strip()  # users may paste the whole link
    try:
        form = forms.load(TokenRequest, dict, token=token or None)
        link.perform(form["token"])
    except LinkExpired as error:
        metrics.count_error(error.code)
        response = render_public("security_link_expired.html")
        response.status_code = 422
        return response
    except APIError as error:
        return _render(purpose, error)
    return render_public("security_link_done.html", link=link)


for name in SECURITY_LINKS:
    view = link_bp.doc(hide=True)(public(partial(urls.redirect, f"/auth/{name}")))
    link_bp.add_url_rule(f"/auth/{name}/confirm", f"get {name}", view, methods=["GET"])
