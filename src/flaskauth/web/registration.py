"""/register, /verify."""

from werkzeug.wrappers import Response

from flaskauth.core.errors import APIError
from flaskauth.core.http.request import public
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login.mailed_codes import InvalidMailedCode
from flaskauth.one_time_codes.verification import InvalidCode
from flaskauth.registration import service
from flaskauth.registration.schemas import RegisterRequest, ResendRequest, VerifyRequest
from flaskauth.registration.service import RegistrationData, ResendData, VerificationData
from flaskauth.web import cookies, forms, page_session, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.rendering import page_language, redirect_with_notice, render
from flaskauth.web.sign_in import redirect_to_sign_in

STEP = "verify"


@bp.get("/register")
@public
def register_page() -> Response:
    """Show the registration form."""
    return render("register.html")


@bp.post("/register")
@public
@rate_limit("register")
def register() -> Response:
    """Create a pending registration. The next page is the same whether or not the email address has an account."""
    try:
        language = page_language(page_session.current())
        data = forms.load(RegisterRequest, RegistrationData, locale=language)
        verification_id = service.register(data)
    except APIError as error:
        return render("register.html", error=error)
    response = urls.redirect("/verify")
    cookies.put_code_step(response, STEP, verification_id, data.email, urls.submitted_return_to())
    return response


@bp.get("/verify")
@public
def verify_page() -> Response:
    """Show the form for the code. In a browser that did not register, it asks for the email address too."""
    return render("verify.html", step=cookies.get_step(STEP))


@bp.post("/verify")
@public
@rate_limit("verify")
def verify() -> Response:
    """Create the account with the code from the mail."""
    step = cookies.get_step(STEP)
    try:
        identifier = {"verification_id": step["id"], "email": None} if step else {}
        user = service.verify(forms.load(VerifyRequest, VerificationData, **identifier))
    except InvalidCode:
        return render("verify.html", error=InvalidMailedCode(), step=step)
    except APIError as error:
        return render("verify.html", error=error, step=step)
    return redirect_to_sign_in("verified", user.email, step.get("return_to"))


@bp.post("/verify/resend")
@public
@rate_limit("send_code")
def resend() -> Response:
    """Mail the code again if that is due."""
    step = cookies.get_step(STEP)
    try:
        identifier = {"verification_id": step["id"], "email": None} if step else {}
        service.resend(forms.load(ResendRequest, ResendData, **identifier))
    except APIError as error:
        return render("verify.html", error=error, step=step)
    return redirect_with_notice("/verify", "code_sent")
