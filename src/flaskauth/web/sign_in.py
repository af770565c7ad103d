"""/sign-in, /sign-in/passkey, /sign-in/second-factor, /sign-out."""

from flask import request
from werkzeug.wrappers import Response

from flaskauth.core.context import settings
from flaskauth.core.errors import APIError, BadRequest, ValidationFailed
from flaskauth.core.http.request import public
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.factor_reset import service as factor_resets
from flaskauth.login import factor_verification, passkey, second_factor, service
from flaskauth.login.passkey import PasskeyLoginData
from flaskauth.login.schemas import LoginRequest, PasskeyLoginRequest, SecondFactorRequest
from flaskauth.login.second_factor import SecondFactorData
from flaskauth.login.service import InvalidCredentials, LoginData, LoginResult
from flaskauth.mfa import challenges
from flaskauth.mfa.challenges import ChallengeExpired, SecondFactorRequired
from flaskauth.passkeys.challenges import SECOND_FACTOR
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext
from flaskauth.web import cookies, forms, page_session, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.decorators import account_page
from flaskauth.web.rendering import redirect_with_notice, render

STEP, EMAIL_STEP = "second_factor", "sign_in"
SECOND_FACTOR_PAGE = "/sign-in/second-factor"


class PasskeyRejected(InvalidCredentials):
    """The passkey is unknown, was removed, or cannot sign in. All failures have the same text."""

    code = "invalid_credentials"
    message = "This passkey was not accepted. Try again, or sign in with your email address and password."


@bp.get(urls.SIGN_IN)
@public
def sign_in_page() -> Response:
    """Show the form, or go on if the browser has a session."""
    if page_session.current():
        return urls.redirect_back(urls.submitted_return_to())
    return _render_sign_in()


@bp.post(urls.SIGN_IN)
@public
@rate_limit("login")
def sign_in() -> Response:
    """Check the password, and start a session or begin the second step."""
    is_kept = "stay" in request.form
    try:
        data = forms.load(LoginRequest, LoginData, device_token=cookies.device_token())
        result = service.sign_in(data)
    except SecondFactorRequired as error:
        return begin_second_step(error, data.email.original, urls.submitted_return_to(), is_kept=is_kept)
    except APIError as error:
        return _render_sign_in(error)
    return complete(result, urls.submitted_return_to(), is_kept=is_kept)


@bp.post("/sign-in/passkey")
@public
@rate_limit("login")
def sign_in_with_passkey() -> Response:
    """Start a session with a passkey. The script of the page has added its response to the form."""
    try:
        data = forms.load(PasskeyLoginRequest, PasskeyLoginData, device_token=cookies.device_token())
        result = passkey.sign_in(data)
    except (InvalidCredentials, ValidationFailed, BadRequest):
        return _render_sign_in(PasskeyRejected())
    except APIError as error:
        return _render_sign_in(error)
    return complete(result, urls.submitted_return_to(), is_kept="stay" in request.form)


@bp.get(SECOND_FACTOR_PAGE)
@public
def second_factor_page() -> Response:
    """Show the form for the best factor of the user, or for the one that the user selects."""
    return _render_second_factor()


@bp.post(SECOND_FACTOR_PAGE)
@public
@rate_limit("login")
def confirm_second_factor() -> Response:
    """Verify the second factor and start the session."""
    step = cookies.get_step(STEP)
    try:
        data = forms.load(
            SecondFactorRequest, SecondFactorData, challenge_token=_token(), device_token=cookies.device_token()
        )
        result = second_factor.complete(data)
    except APIError as error:
        return _render_second_factor(error)
    return complete(result.login, step.get("return_to"), is_kept="stay" in step)


@bp.get("/sign-out")
@public
def sign_out_page() -> Response:
    """Ask for confirmation, for links to this URL. Without a session, show that the user is signed out."""
    return render("sign_out.html")


@bp.post("/sign-out")
@account_page(allows_enrolment=True, allows_pending_deletion=True)
def sign_out(auth: AuthContext) -> Response:
    """Revoke the session. The device remains recognised."""
    sessions.sign_out(auth.session.id, auth.user.id)
    response = redirect_with_notice(urls.SIGN_IN, "signed_out")
    page_session.end(response)
    cookies.delete(response, cookies.STEP)
    if not urls.root_path():  # below a path, the application that mounts the server has stored data of its own
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def redirect_to_sign_in(notice: str, email: str, return_to: str | None) -> Response:
    """Return a redirect to the form, which contains the email address. The URL does not."""
    response = redirect_with_notice(urls.SIGN_IN, notice, return_to=return_to)
    cookies.put_step(response, EMAIL_STEP, email=email)
    return response


def begin_second_step(error: SecondFactorRequired, email: str, return_to: str | None, *, is_kept: bool) -> Response:
    """Store the login challenge, and redirect to the page for the second factor."""
    response = urls.redirect(SECOND_FACTOR_PAGE)
    token = str(error.details["challenge_token"])
    cookies.put_step(response, STEP, token=token, email=email, return_to=return_to, stay="1" if is_kept else None)
    return response


def complete(result: LoginResult, return_to: str | None, *, is_kept: bool) -> Response:
    """Set the session cookie, and redirect to where the user wanted to go. The session that it replaces is revoked."""
    if earlier := page_session.current():
        sessions.sign_out(earlier.session.id, earlier.user.id)
    response = urls.redirect_back(return_to)
    page_session.start(response, result, is_kept=is_kept)
    return response


def _render_sign_in(error: APIError | None = None) -> Response:
    return render("sign_in.html", error=error, email=cookies.get_step(EMAIL_STEP).get("email", ""))


def _token() -> str:
    """Return the token of the login challenge.

    Raises:
        ChallengeExpired: the first step was not taken in this browser.
    """
    token = cookies.get_step(STEP).get("token")
    if token is None:
        raise ChallengeExpired
    return token


def _render_second_factor(error: APIError | None = None) -> Response:
    challenge = challenges.find(_token())
    options = factor_verification.options(challenge.user_id, SECOND_FACTOR, str(challenge.id))
    kinds = options["factors"]
    assert isinstance(kinds, list)
    return render(
        "second_factor.html",
        error=error,
        email=cookies.get_step(STEP)["email"],
        options=options["passkey"],
        can_reset=factor_resets.is_enabled(),
        **forms.selected_factor(kinds),
        remember_days=settings().remember_device_days,
    )
