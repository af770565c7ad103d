"""/forgot, /reset."""

from werkzeug.wrappers import Response

from flaskauth.core.errors import APIError
from flaskauth.core.http.request import public
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login.mailed_codes import MailedCodeRequest
from flaskauth.passwords import service
from flaskauth.passwords.schemas import ForgotPasswordRequest, ResetPasswordRequest
from flaskauth.passwords.service import PasswordResetData
from flaskauth.web import cookies, forms, page_session, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.rendering import render
from flaskauth.web.sign_in import redirect_to_sign_in

STEP = "reset"


@bp.get("/forgot")
@public
def forgot_page() -> Response:
    """Show the form that requests a reset code."""
    return render("forgot.html")


@bp.post("/forgot")
@public
@rate_limit("send_code")
def forgot() -> Response:
    """Mail a reset code. The next page is the same whether or not the email address has an account."""
    try:
        data = forms.load(ForgotPasswordRequest, MailedCodeRequest, device_token=cookies.device_token())
        reset_id = service.request_reset(data)
    except APIError as error:
        return render("forgot.html", error=error)
    response = urls.redirect("/reset")
    cookies.put_code_step(response, STEP, reset_id, data.email, urls.submitted_return_to())
    return response


@bp.get("/reset")
@public
def reset_page() -> Response:
    """Show the form for the code and the new password."""
    return render("reset.html", step=cookies.get_step(STEP))


@bp.post("/reset")
@public
@rate_limit("verify")
def reset() -> Response:
    """Set the new password. All sessions are revoked, also that of this browser."""
    step = cookies.get_step(STEP)
    try:
        identifier = {"reset_id": step["id"], "email": None} if step else {}
        user = service.reset_password(forms.load(ResetPasswordRequest, PasswordResetData, **identifier))
    except APIError as error:
        return render("reset.html", error=error, step=step)
    response = redirect_to_sign_in("password_reset", user.email, step.get("return_to"))
    page_session.end(response)
    return response
