"""/sign-in/lost-factor: have the second factors removed after a delay."""

from werkzeug.wrappers import Response

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.errors import APIError, NotFound
from flaskauth.core.http.request import public
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.factor_reset import service
from flaskauth.factor_reset.schemas import ConfirmLostFactorRequest
from flaskauth.factor_reset.service import FactorResetData
from flaskauth.mfa.challenges import ChallengeExpired
from flaskauth.web import cookies, forms, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.rendering import render
from flaskauth.web.sign_in import STEP as SECOND_FACTOR_STEP

STEP = "lost_factor"
PAGE, CODE_PAGE = "/sign-in/lost-factor", "/sign-in/lost-factor/code"


@bp.get(PAGE)
@public
def lost_factor_page() -> Response:
    """Explain what happens, with a button that requests a code."""
    _challenge_token()
    return render("lost_factor.html", hours=settings().factor_reset_delay)


@bp.post(PAGE)
@public
@rate_limit("send_code")
def request_lost_factor_code() -> Response:
    """Mail a code, if the conditions are met. The next page does not reveal whether they are."""
    reset_id = service.request_code(_challenge_token())
    response = urls.redirect(CODE_PAGE)
    cookies.put_step(response, STEP, reset_id=crypto.base64url_encode(reset_id))
    return response


@bp.get(CODE_PAGE)
@public
def lost_factor_code_page() -> Response:
    """Show the form for the code."""
    _reset_id()
    return render("lost_factor_code.html")


@bp.post(CODE_PAGE)
@public
@rate_limit("verify")
def confirm_factor_reset() -> Response:
    """Schedule the removal with the code, and show when it is due."""
    try:
        data = forms.load(ConfirmLostFactorRequest, FactorResetData, reset_id=_reset_id())
        due_at = service.confirm(data)
    except APIError as error:
        return render("lost_factor_code.html", error=error)
    response = render("lost_factor_done.html", due_at=due_at)
    cookies.delete(response, cookies.STEP)
    return response


def _challenge_token() -> str:
    """Return the token of the sign-in that lacks a second factor.

    Raises:
        NotFound: users cannot have their factors removed.
        ChallengeExpired: no sign-in has begun in this browser.
    """
    if not service.is_enabled():
        raise NotFound
    return _from_step(SECOND_FACTOR_STEP, "token")


def _reset_id() -> str:
    return _from_step(STEP, "reset_id")


def _from_step(kind: str, name: str) -> str:
    value = cookies.get_step(kind).get(name)
    if value is None:
        raise ChallengeExpired
    return value
