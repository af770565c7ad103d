"""/sign-in/email-code, /sign-in/email-code/verify: sign in with a mailed code, if `EMAIL_SIGN_IN` is set."""

from flask import request
from werkzeug.wrappers import Response

from flaskauth.core.context import settings
from flaskauth.core.errors import APIError, NotFound
from flaskauth.core.http.request import public
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login import email_code
from flaskauth.login.email_code import EmailSignInData
from flaskauth.login.mailed_codes import MailedCodeRequest
from flaskauth.login.schemas import EmailSignInRequest, MailCodeRequest
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.web import cookies, forms, sign_in, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.rendering import render

STEP = "email_code"
PAGE, CODE_PAGE = "/sign-in/email-code", "/sign-in/email-code/verify"


@bp.get(PAGE)
@public
def email_sign_in_page() -> Response:
    """Show the form that requests a sign-in code."""
    _require_enabled()
    return render("email_sign_in.html")


@bp.post(PAGE)
@public
@rate_limit("send_code")
def request_sign_in_code() -> Response:
    """Mail a sign-in code. The next page is the same whether or not the email address has an account."""
    _require_enabled()
    try:
        data = forms.load(MailCodeRequest, MailedCodeRequest, device_token=cookies.device_token())
        sign_in_id = email_code.request_code(data)
    except APIError as error:
        return render("email_sign_in.html", error=error)
    response = urls.redirect(CODE_PAGE)
    cookies.put_code_step(response, STEP, sign_in_id, data.email, urls.submitted_return_to())
    return response


@bp.get(CODE_PAGE)
@public
def sign_in_code_page() -> Response:
    """Show the form for the code. In a browser that did not request it, it asks for the email address too."""
    _require_enabled()
    return render("email_sign_in_code.html", step=cookies.get_step(STEP))


@bp.post(CODE_PAGE)
@public
@rate_limit("verify")
def sign_in_with_code() -> Response:
    """Check the code, and start a session or begin the second step."""
    _require_enabled()
    step = cookies.get_step(STEP)
    identifier = {"sign_in_id": step["id"], "email": None} if step else {}
    is_kept = "stay" in request.form
    try:
        data = forms.load(EmailSignInRequest, EmailSignInData, device_token=cookies.device_token(), **identifier)
        result = email_code.sign_in(data)
    except SecondFactorRequired as error:
        email = step.get("email") or request.form["email"]
        return sign_in.begin_second_step(error, email, step.get("return_to"), is_kept=is_kept)
    except APIError as error:
        return render("email_sign_in_code.html", error=error, step=step)
    return sign_in.complete(result, step.get("return_to"), is_kept=is_kept)


def _require_enabled() -> None:
    if not settings().email_sign_in:
        raise NotFound
