"""Decorators that authenticate a route and pass the user as its first positional argument, and `current_user`.

They also work in an application that mounts a server: they then authenticate against that server. A view may be a
function, a method, the view function of a class (`decorators = [auth_required]`), or a coroutine function.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast, overload

from flask import current_app, request
from flask.views import MethodView, View
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.base import ExecutableOption
from werkzeug.local import LocalProxy

from flaskauth.accounts import mfa_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.core import context
from flaskauth.core.db.compiled import CompiledStatement, list_parameters, list_values, padded
from flaskauth.core.db.session import db, transaction, transaction_cache
from flaskauth.core.errors import APIError, Forbidden, Unauthorized
from flaskauth.core.http.request import Environ, RouteView, raises
from flaskauth.countries.models import Country
from flaskauth.sessions import active
from flaskauth.sessions.models import Session, is_active
from flaskauth.signing_keys import access_tokens, amr
from flaskauth.signing_keys.access_tokens import AccessTokenClaims, InvalidToken

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

VARIADIC = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
ENVIRON_KEY = "flaskauth.auth_context"


class TokenRequired(Unauthorized):
    """401 `invalid_token`: the request has no access token."""

    code = "invalid_token"
    message = "Authorization token required"


class ReauthenticationRequired(Forbidden):
    """403 `reauthentication_required`: the access token is not fresh."""

    code = "reauthentication_required"
    message = "Please confirm your identity first: POST /auth/reauthenticate."


class AccountPendingDeletion(Forbidden):
    """403 `forbidden`: the account is scheduled for deletion."""

    code = "forbidden"
    message = "This account is scheduled for deletion. Restore it first: POST /users/account/restore."


class MfaEnrolmentRequired(Forbidden):
    """403 `mfa_enrolment_required`: the user must add a second factor first, or prove the one that exists."""

    code = "mfa_enrolment_required"
    message = (
        "A second factor is required. Add one: POST /users/factors/totp. If you have one: POST /auth/reauthenticate."
    )


class SessionUserRow(NamedTuple):
    """A session and its state, and the user's `accounts.PUBLIC_COLUMNS`."""

    session_id: int
    revoked_at: datetime | None
    idle_expires_at: datetime
    expires_at: datetime
    id: int
    email: str
    first_name: str
    last_name: str
    avatar: str | None
    country_id: int | None
    is_verified: bool
    created_at: datetime
    updated_at: datetime | None
    country_name: str | None
    country_code: str | None


@cache
def _build_query(size: int) -> CompiledStatement[SessionUserRow]:
    """Return the query that is executed on each request: whether sessions are active, and the users' public fields."""
    return CompiledStatement(
        select(
            Session.id.label("session_id"),
            *(Session.revoked_at, Session.idle_expires_at, Session.expires_at),
            *accounts.PUBLIC_COLUMNS,
        )
        .join(User, User.id == Session.user_id)
        .outerjoin(Country, accounts.COUNTRY_JOIN)
        .where(Session.id.in_(list_parameters("session_id", Session.id, size))),
        SessionUserRow,
        autocommit=True,
    )


@dataclass(frozen=True)
class AuthContext:
    """The authenticated user, the session and the claims of the access token."""

    user: User
    session: Session
    claims: AccessTokenClaims
    must_enrol: bool  # the user may only add a second factor

    @property
    def is_fresh(self) -> bool:
        """With MFA on, a password alone is not enough, even if it was verified before MFA was turned on."""
        return self.claims.is_fresh and (not self.user.mfa_enabled or amr.has_second_factor(self.session.amr))


@overload
def auth_required(view: Callable[Concatenate[User, P], T]) -> Callable[P, T]: ...
@overload
def auth_required(view: Callable[Concatenate[S, User, P], T]) -> Callable[Concatenate[S, P], T]: ...
def auth_required(view: Callable[..., object]) -> Callable[..., object]:
    """Require a valid access token. The view's first argument is the User, after `self` in a class."""
    return pass_user(view, lambda: authorize(current_auth(), view).user)


def auth_required_readonly(view: Callable[Concatenate[SessionUserRow, P], T]) -> Callable[P, T]:
    """Like `auth_required`, for views that only read the user's public fields: one query and no transaction.

    The view's first argument is a SessionUserRow. Users who may do nothing else can read these fields, too.
    """

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        [row] = load_public_users([request.environ])
        if isinstance(row, APIError):
            raise row
        return view(row, *args, **kwargs)

    return _mark_guarded(allow_enrolment(allow_pending_deletion(wrapper)))


def load_public_users(environs: Sequence[Environ]) -> list[SessionUserRow | APIError]:
    """Return the public fields of the user of each request, in one query.

    The result is an error if the access token is missing or invalid, or if its session has ended.
    """
    all_claims = [_claims_or_error(environ) for environ in environs]
    rows = _load_rows([claims.session_id for claims in all_claims if isinstance(claims, AccessTokenClaims)])
    return [
        _active_row(rows.get(claims.session_id), claims) if isinstance(claims, AccessTokenClaims) else claims
        for claims in all_claims
    ]


def _load_rows(session_ids: Sequence[int]) -> dict[int, SessionUserRow]:
    if not session_ids:
        return {}
    ids = list_values("session_id", padded(session_ids))
    return {row.session_id: row for row in _build_query(len(ids)).all(**ids)}


def _claims_or_error(environ: Environ) -> AccessTokenClaims | APIError:
    try:
        return access_tokens.decode(bearer_token(environ))
    except APIError as error:
        return error


def _active_row(row: SessionUserRow | None, claims: AccessTokenClaims) -> SessionUserRow | APIError:
    if row is None or row.id != claims.user_id or not is_active(row.revoked_at, row.idle_expires_at, row.expires_at):
        return InvalidToken()
    return row


@overload
def auth_optional(view: Callable[Concatenate[User | None, P], T]) -> Callable[P, T]: ...
@overload
def auth_optional(view: Callable[Concatenate[S, User | None, P], T]) -> Callable[Concatenate[S, P], T]: ...
def auth_optional(view: Callable[..., object]) -> Callable[..., object]:
    """Pass the User, or None without an access token, like `auth_required`. Reject an invalid token."""

    def find_user() -> User | None:
        if not context.is_server():
            context.mounted_server()  # raises if no server is mounted, also for requests without a token
        return authorize(current_auth(), view).user if "Authorization" in request.headers else None

    return pass_user(view, find_user, access="optional")


def fresh_auth_required(view: Callable[Concatenate[User, P], T]) -> Callable[P, T]:
    """Like `auth_required`, and require that all factors were proven in the last 10 minutes (ASVS 7.5.1)."""

    def require_fresh() -> User:
        auth = authorize(current_auth(), view)
        if not auth.is_fresh:
            raise ReauthenticationRequired
        return auth.user

    return raises(ReauthenticationRequired)(cast("Callable[P, T]", pass_user(view, require_fresh)))


def allow_pending_deletion(view: Callable[P, T]) -> Callable[P, T]:
    """Allow users whose account is scheduled for deletion. Apply it before (below) the authenticating decorator."""
    view.allows_pending_deletion = True  # type: ignore[attr-defined]
    return view


def allow_enrolment(view: Callable[P, T]) -> Callable[P, T]:
    """Allow users who must add a second factor first. Apply it before (below) the authenticating decorator."""
    view.allows_enrolment = True  # type: ignore[attr-defined]
    return view


def token_optional(view: Callable[P, T]) -> Callable[P, T]:
    """Reject an invalid access token, and let the view check whether one is present. Its session may have ended."""

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        if "Authorization" in request.headers:
            bearer_claims()  # raises InvalidToken
        return view(*args, **kwargs)

    return _mark_guarded(allow_enrolment(allow_pending_deletion(wrapper)), access="optional")


def _find_current_user() -> User | None:
    """Return the user of the access token, or None if it is missing, invalid, or not allowed for the requested view."""
    if "Authorization" not in request.headers and ENVIRON_KEY not in request.environ:
        return None
    try:
        return authorize(current_auth(), current_app.view_functions.get(request.endpoint or "")).user
    except (Unauthorized, AccountPendingDeletion, MfaEnrolmentRequired):
        return None


current_user = cast("User", LocalProxy(_find_current_user))
"""The user of the request, also in templates. It is false without a valid access token or a required page session."""


def current_auth() -> AuthContext:
    """Return the authentication of the request: verify the token, then read the session, once per transaction.

    Raises:
        TokenRequired, InvalidToken
    """
    if not context.is_server():
        return _mounted_auth()
    cache = transaction_cache()
    if AuthContext not in cache:
        cache[AuthContext] = _load_auth(bearer_claims())
    auth = cache[AuthContext]
    assert isinstance(auth, AuthContext)
    return auth


def authorize(auth: AuthContext, view: Callable[..., object] | None) -> AuthContext:
    """Return the authentication. Raise AccountPendingDeletion or MfaEnrolmentRequired unless the view allows it."""
    if auth.user.deletion_due_at is not None and not getattr(view, "allows_pending_deletion", False):
        raise AccountPendingDeletion
    if auth.must_enrol and not getattr(view, "allows_enrolment", False):
        raise MfaEnrolmentRequired
    return auth


def lock_session(auth: AuthContext) -> User:
    """Lock the user's row until the transaction ends, and return the user if the session is still active.

    Every write of a session calls it directly before the first write, after slow work. Revocations lock the same row
    first, so the write commits before the revocation or is rejected (ADR 17).

    Raises:
        InvalidToken: the session was revoked or has expired since it was authenticated, or the user was erased.
    """
    user = accounts.lock_user(auth.claims.user_id)
    session = db.session.get(Session, auth.claims.session_id, populate_existing=True, with_for_update=True)
    if user is None or session is None or not session.is_active:
        raise InvalidToken
    return user


def bearer_claims() -> AccessTokenClaims:
    """Return the claims of the request's access token. Its session may have ended.

    Raises:
        TokenRequired, InvalidToken
    """
    return access_tokens.decode(bearer_token(request.environ))


def bearer_token(environ: Environ) -> str:
    """Return the access token from the Authorization header of a WSGI environ, not verified.

    Raises:
        TokenRequired, InvalidToken
    """
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not scheme:
        raise TokenRequired
    if scheme.lower() != "bearer":
        raise InvalidToken
    return str(token.strip())


def _mounted_auth() -> AuthContext:
    """Return the authentication of a request in an application that mounts a server, read once per request.

    The environ holds it, because several applications may share Flask's `g`.
    """
    if ENVIRON_KEY not in request.environ:
        server = context.mounted_server()
        token = bearer_token(request.environ)  # before the server's app context, which may have no request
        with server.app_context():
            request.environ[ENVIRON_KEY] = transaction(lambda: _load_detached(token))
    auth: AuthContext = request.environ[ENVIRON_KEY]
    return auth


def _load_detached(token: str) -> AuthContext:
    """Load complete, read-only objects. Attached ones would be expired by the commit and read again."""
    auth = _load_auth(access_tokens.decode(token), joinedload(User.country))
    db.session.expunge_all()
    return auth


def _load_auth(claims: AccessTokenClaims, *loading: ExecutableOption) -> AuthContext:
    row = active.load(claims.session_id, *loading)
    if row is None or row[1].id != claims.user_id:
        raise InvalidToken
    return AuthContext(row[1], row[0], claims, must_enrol=mfa_policy.must_enrol(row[1]))


def pass_user(
    view: Callable[..., object], find_user: Callable[[], User | None], access: str = "guarded"
) -> Callable[..., object]:
    """Return a view that passes the user to a view, which may be a method, a class or a coroutine function."""
    takes_position, is_method = _takes_positional_arguments(view), _is_method(view)

    @wraps(view)
    def wrapper(*args: object, **kwargs: object) -> object:
        user = find_user()
        run = current_app.ensure_sync(view)
        if not takes_position:
            return run(**{**kwargs, **_user_argument(user)})
        position = 1 if args and (is_method or isinstance(args[0], View)) else 0
        return run(*args[:position], user, *args[position:], **kwargs)

    wrapper.passes_user = True  # type: ignore[attr-defined]
    return _mark_guarded(wrapper, access)


def _takes_positional_arguments(view: Callable[..., object]) -> bool:
    """Return False for the view function of a class: `View.as_view` makes it with keyword arguments only."""
    return any(parameter.kind < parameter.KEYWORD_ONLY for parameter in inspect.signature(view).parameters.values())


def _is_method(view: Callable[..., object]) -> bool:
    """Return True if the function is defined in a class, so that its first argument is `self`."""
    namespace = getattr(view, "__qualname__", "").rpartition(".")[0]
    return bool(namespace) and not namespace.endswith("<locals>")


def _user_argument(user: User | None) -> dict[str, User | None]:
    """Return the user as an argument of the class-based view that handles the request, if it has a parameter for it.

    The parameter is the first one that is not an argument of the URL.
    """
    view_class: Any = getattr(current_app.view_functions[request.endpoint or ""], "view_class", View)
    handler = view_class.dispatch_request
    if handler is MethodView.dispatch_request:
        handler = getattr(view_class, request.method.lower(), None) or view_class.get  # HEAD
    if hasattr(handler, "passes_user"):  # a decorator of the method passes it
        return {}
    names = [name for name in _parameter_names(handler) if name not in (request.view_args or {})]
    return {names[0]: user} if names else {}


@cache
def _parameter_names(handler: Callable[..., object]) -> tuple[str, ...]:
    parameters = [*inspect.signature(handler).parameters.values()][1:]
    names = [parameter.name for parameter in parameters if parameter.kind not in VARIADIC]
    return (*names, "user") if len(names) < len(parameters) else (*names,)


def _mark_guarded(view: Callable[P, T], access: str = "guarded") -> Callable[P, T]:
    guarded = raises(InvalidToken)(view)
    if not getattr(view, "allows_pending_deletion", False):
        guarded = raises(AccountPendingDeletion)(guarded)
    if not getattr(view, "allows_enrolment", False):
        guarded = raises(MfaEnrolmentRequired)(guarded)
    cast("RouteView", guarded).access = access
    return guarded
