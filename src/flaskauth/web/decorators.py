"""Views that require a page session, in the pages and in applications, and the check against forged forms."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, overload

from flask import Response as FlaskResponse
from flask import abort, after_this_request, request
from werkzeug.wrappers import Response

from flaskauth.accounts.models import User
from flaskauth.core import context
from flaskauth.core.context import settings
from flaskauth.core.db.session import transaction
from flaskauth.core.errors import APIError, Forbidden
from flaskauth.core.observability.log import get_logger
from flaskauth.sessions.decorators import (
    ENVIRON_KEY,
    AuthContext,
    ReauthenticationRequired,
    authorize,
    pass_user,
)
from flaskauth.settings import origin_of
from flaskauth.signing_keys.access_tokens import InvalidToken
from flaskauth.web import page_session, rendering, urls

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

log = get_logger(__name__)


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
    if request.method in urls.SAFE_METHODS:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    expected_origin = origin_of(settings().public_url)
    if not (site == "same-origin" if site is not None else origin and origin == expected_origin):
        if site is None and (valid_origin := origin_of(origin)):
            log.warning("form_rejected", origin=valid_origin, public_url=expected_origin)
        raise CrossSiteRequest


def account_page(
    *, fresh: bool = False, allows_enrolment: bool = False, allows_pending_deletion: bool = False
) -> Callable[[Callable[Concatenate[AuthContext, P], Response]], Callable[P, Response]]:
    """Require a session, and pass its authentication to the view. Otherwise redirect to the page that is needed first.

    The idle timeout of the session is extended in the database, at most every 5 minutes.

    Args:
        fresh: all factors must have been proven in the last 10 minutes.
        allows_enrolment: users who must add a second factor first may use the page.
        allows_pending_deletion: users whose account is scheduled for deletion may use the page.
    """

    def decorator(view: Callable[Concatenate[AuthContext, P], Response]) -> Callable[P, Response]:
        @wraps(view)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> Response:
            auth = _require(page_session.current(), wrapper)
            if fresh and not auth.is_fresh:
                raise ReauthenticationRequired
            return view(auth, *args, **kwargs)

        wrapper.access, wrapper.allows_enrolment = "guarded", allows_enrolment  # type: ignore[attr-defined]
        wrapper.allows_pending_deletion = allows_pending_deletion  # type: ignore[attr-defined]
        return wrapper

    return decorator


@overload
def page_session_required(view: Callable[Concatenate[User, P], T]) -> Callable[P, T]: ...
@overload
def page_session_required(view: Callable[Concatenate[S, User, P], T]) -> Callable[Concatenate[S, P], T]: ...
def page_session_required(view: Callable[..., object]) -> Callable[..., object]:
    """Require a session of the hosted pages, for a page of your application. The view's first argument is the User.

    Without a session, the browser is redirected to the sign-in page and returns afterwards. A request that may change
    something must come from a page of the same origin. Browsers and proxies do not store the response, unless the view
    sets `Cache-Control`. A user who must add a second factor first, or whose account is scheduled for deletion, is
    redirected to the page for it. The idle timeout of the session is extended, at most every 5 minutes.
    """
    return pass_user(view, lambda: _require_session(view))


def _require_session(view: Callable[..., object]) -> User:
    """Return the user of the page session, also in an application that mounts the server.

    Raises:
        HTTPException: a redirect to the page that the user needs first.
        CrossSiteRequest
    """
    after_this_request(_prevent_storage)
    if context.is_server():
        return _require_or_redirect(page_session.current, view, "").user
    server, prefix = context.mounted_server(), request.script_root
    # A request context of the server, because its code reads the cookie and its settings.
    with server.request_context({**request.environ}):
        auth = _require_or_redirect(lambda: transaction(page_session.load_detached), view, prefix)
    request.environ[ENVIRON_KEY] = auth
    return auth.user


def _prevent_storage(response: FlaskResponse) -> FlaskResponse:
    """Keep the page of a user out of caches, so that it cannot be opened after the sign-out."""
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.add("Cookie")
    return response


def _require_or_redirect(
    load: Callable[[], AuthContext | None], view: Callable[..., object], prefix: str
) -> AuthContext:
    require_same_origin()
    try:
        return _require(load(), view)
    except APIError as error:
        response = rendering.redirect_to_required_page(error, prefix)
        if response is None:
            raise
        abort(response)


def _require(auth: AuthContext | None, view: Callable[..., object]) -> AuthContext:
    """Return the session if there is one and the user may use the page. Extend its idle timeout."""
    if auth is None:
        raise InvalidToken
    page_session.extend(auth)
    return authorize(auth, view)
