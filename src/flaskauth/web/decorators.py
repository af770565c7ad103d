"""Views that require a page session, in the pages and in applications, and the check against forged forms."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from flask import request
from werkzeug.wrappers import Response

from flaskauth.core.context import settings
from flaskauth.core.errors import Forbidden
from flaskauth.sessions.decorators import (
    AccountPendingDeletion,
    AuthContext,
    MfaEnrolmentRequired,
    ReauthenticationRequired,
)
from flaskauth.settings import origin_of
from flaskauth.signing_keys.access_tokens import InvalidToken
from flaskauth.web import page_session

P = ParamSpec("P")

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class CrossSiteRequest(Forbidden):
    """403 `forbidden`: another site sent the form, or the browser does not show that this one did."""

    code = "forbidden"
    message = "This form was not sent from a page of this site. Open the page again and retry."


def require_same_origin() -> None:
    """Reject a request that changes something unless a page of this origin sent it.

    Browsers set `Sec-Fetch-Site`; older ones only `Origin`. SameSite alone would allow requests of sibling domains.

    Raises:
        CrossSiteRequest
    """
    if request.method in SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if not (site == "same-origin" if site is not None else origin and origin == origin_of(settings().public_url)):
        raise CrossSiteRequest


def account_page(
    *, fresh: bool = False, allows_enrolment: bool = False, allows_pending_deletion: bool = False
) -> Callable[[Callable[Concatenate[AuthContext, P], Response]], Callable[P, Response]]:
    """Require a session, and pass its authentication to the view. Otherwise redirect to the page that is needed first.

    Args:
        fresh: all factors must have been proven in the last 10 minutes.
        allows_enrolment: users who must add a second factor first may use the page.
        allows_pending_deletion: users whose account is scheduled for deletion may use the page.
    """

    def decorator(view: Callable[Concatenate[AuthContext, P], Response]) -> Callable[P, Response]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Response:
            auth = page_session.current()
            if auth is None:
                raise InvalidToken
            if auth.user.deletion_due_at is not None and not allows_pending_deletion:
                raise AccountPendingDeletion
            if auth.must_enrol and not allows_enrolment:
                raise MfaEnrolmentRequired
            if fresh and not auth.is_fresh:
                raise ReauthenticationRequired
            return view(auth, *args, **kwargs)

        wrapper.access = "guarded"  # type: ignore[attr-defined]
        return wrapper

    return decorator
