"""/account/confirm, /account/email, /account/password."""

from werkzeug.wrappers import Response

from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.errors import APIError, ValidationFailed
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.core.translations import Text
from flaskauth.email_change import service as email_change
from flaskauth.email_change.schemas import ChangeEmailRequest, VerifyEmailRequest
from flaskauth.login import reauthentication
from flaskauth.login.reauthentication import ReauthenticationData
from flaskauth.login.schemas import ReauthenticateRequest
from flaskauth.login.service import InvalidCredentials
from flaskauth.passkeys import service as passkeys
from flaskauth.passwords import service as passwords
from flaskauth.passwords.schemas import ChangePasswordRequest
from flaskauth.sessions.decorators import AuthContext, ReauthenticationRequired
from flaskauth.web import cookies, forms, page_session, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.decorators import account_page
from flaskauth.web.rendering import redirect_with_notice, render

EMAIL, EMAIL_CODE, PASSWORD = "/account/email", "/account/email/verify", "/account/password"
STEP = "email_change"


@bp.get(urls.CONFIRM)
@account_page(allows_enrolment=True, allows_pending_deletion=True)
def confirm_page(auth: AuthContext) -> Response:
    """Ask for all factors again."""
    return _render_confirm(auth)


@bp.post(urls.CONFIRM)
@rate_limit("login")
@account_page(allows_enrolment=True, allows_pending_deletion=True)
def confirm(auth: AuthContext) -> Response:
    """Check all factors, make the session fresh and return to the form that requires it."""
    try:
        data = forms.load(ReauthenticateRequest, ReauthenticationData)
        fresh_until = reauthentication.reauthenticate(auth, data).fresh_until
    except InvalidCredentials:
        return _render_confirm(auth, _wrong_password("password"))
    except APIError as error:
        return _render_confirm(auth, error)
    response = urls.redirect_back(urls.submitted_return_to())
    page_session.make_fresh(response, auth, fresh_until)
    return response


@bp.get(EMAIL)
@account_page(fresh=True)
def email_page(_auth: AuthContext) -> Response:
    """Show the form for a new email address."""
    return render("email.html")


@bp.post(EMAIL)
@rate_limit("send_code")
@account_page(fresh=True)
def change_email(auth: AuthContext) -> Response:
    """Mail a code to the new address."""
    try:
        email = forms.load(ChangeEmailRequest, dict)["email"]
        assert isinstance(email, EmailAddress)
        email_change.request_change(auth, email)
    except APIError as error:
        return render("email.html", error=error)
    response = urls.redirect(EMAIL_CODE)
    cookies.put_step(response, STEP, email=email.original)
    return response


@bp.get(EMAIL_CODE)
@account_page()
def email_code_page(_auth: AuthContext) -> Response:
    """Show the form for the code."""
    return render("email_code.html", step=cookies.get_step(STEP))


@bp.post(EMAIL_CODE)
@rate_limit("verify")
@account_page()
def verify_email(auth: AuthContext) -> Response:
    """Set the new email address. The other sessions are revoked."""
    try:
        email_change.confirm_change(auth, forms.load(VerifyEmailRequest, dict)["otp"])
    except APIError as error:
        return render("email_code.html", error=error, step=cookies.get_step(STEP))
    response = redirect_with_notice(urls.ACCOUNT, "email_changed")
    cookies.delete(response, cookies.STEP)
    return response


@bp.get(PASSWORD)
@account_page()
def password_page(auth: AuthContext) -> Response:
    """Show the form for a new password."""
    if passwords.requires_fresh_token(auth):
        raise ReauthenticationRequired
    return _render_password(auth)


@bp.post(PASSWORD)
@rate_limit("login")
@account_page()
def change_password(auth: AuthContext) -> Response:
    """Change the password, or set the first one. The other sessions are revoked."""
    try:
        data = forms.load(ChangePasswordRequest, dict)
        passwords.change_password(auth, data.get("current_password"), data["password"])
    except InvalidCredentials:
        return _render_password(auth, _wrong_password("current_password"))
    except APIError as error:
        return _render_password(auth, error)
    return redirect_with_notice(urls.ACCOUNT, "password_changed")


@bp.post("/account/password/remove")
@rate_limit()
@account_page(fresh=True)
def remove_password(auth: AuthContext) -> Response:
    """Remove the password. The session must have proven a passkey."""
    try:
        passwords.remove_password(auth)
    except APIError as error:
        return _render_password(auth, error)
    return redirect_with_notice(urls.ACCOUNT, "password_removed")


def _wrong_password(field: str) -> ValidationFailed:
    """Return the error for a form whose user is known. That of the API is about an email address and a password."""
    return ValidationFailed({field: [Text("This is not your password.")]})


def _render_confirm(auth: AuthContext, error: APIError | None = None) -> Response:
    options = reauthentication.options(auth)
    kinds = options["factors"]
    assert isinstance(kinds, list)
    return render(
        "confirm.html",
        error=error,
        has_password=auth.user.password_hash is not None,
        options=options["passkey"],
        **forms.selected_factor(kinds),
    )


def _render_password(auth: AuthContext, error: APIError | None = None) -> Response:
    has_password = auth.user.password_hash is not None
    can_remove = has_password and passkeys.can_replace_password(auth.user.id)
    return render("password.html", error=error, has_password=has_password, can_remove=can_remove)
