"""The guards of routes, ours and those that others add: who asks is passed as the first positional argument.

In an application that a server is mounted in, they ask that server.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from flask import Flask, request
from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql.base import ExecutableOption

from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.foundation import current
from flaskauth.foundation.db import db, remembered, transaction
from flaskauth.foundation.errors import Forbidden, Unauthorized
from flaskauth.foundation.http import Environ, refuses
from flaskauth.foundation.prepared import Alone
from flaskauth.keys import tokens
from flaskauth.keys.tokens import Claims, InvalidToken
from flaskauth.places.models import Country
from flaskauth.sessions.models import Session, is_live

P = ParamSpec("P")
T = TypeVar("T")

FOUND = "flaskauth.signed_in"


class TokenRequired(Unauthorized):
    """401 {"code": "invalid_token"}: no access token came with the request."""

    code = "invalid_token"
    message = "Authorization token required"


class ReauthenticationRequired(Forbidden):
    """403 {"code": "reauthentication_required"}: give the password again at /auth/reauthenticate."""

    code = "reauthentication_required"
    message = "Please give your password again: POST /auth/reauthenticate."


class AccountClosing(Forbidden):
    """403 {"code": "forbidden"}: the account is about to be erased, and has not been taken back."""

    code = "forbidden"
    message = "This account is being closed. Take it back first: POST /users/account/restore."


# What is asked at each request: who, whether the session is live, and what answers show of a person.
SHOWN = Alone(
    select(
        *(Session.ended_at, Session.idle_ends_at, Session.ends_at, User.closes_at),
        *accounts.SHOWN,
    )
    .join(User, User.id == Session.user_id)
    .outerjoin(Country, accounts.HOME)
    .where(Session.id == bindparam("session_id"))
)


@dataclass(frozen=True)
class SignedIn:
    """Who asks, and by which session."""

    user: User
    session: Session
    claims: Claims


def auth_required(view: Callable[Concatenate[User, P], T]) -> Callable[P, T]:
    """Let only signed-in people in; the view's first argument is the User."""

    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        return view(_staying(view).user, *args, **kwargs)

    return _guarded(answer)


def auth_to_read(view: Callable[Concatenate[Any, P], T]) -> Callable[P, T]:
    """As `auth_required`, for views of ours that only show who asks: one read, no transaction, nothing to be changed.

    The view's first argument is a row of what is shown of people.
    """

    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        row = reader(token_in(request.environ))
        _let_in(view, row.closes_at)
        return view(row, *args, **kwargs)

    return _guarded(answer)


def reader(token: str) -> Any:
    """Whose access token it is, in one read: a row of what is shown of people.

    Raises:
        InvalidToken: nobody's, or its session has ended.
    """
    claims = tokens.read(token)
    row = SHOWN.first(session_id=claims.session_id)
    if row is None or row.id != claims.user_id or not is_live(row.ended_at, row.idle_ends_at, row.ends_at):
        raise InvalidToken
    return row


def auth_optional(view: Callable[Concatenate[User | None, P], T]) -> Callable[P, T]:
    """The view's first argument is the User, or None where no token came; a bad token is refused all the same."""

    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        return view(_user_if_any(view), *args, **kwargs)

    return _guarded(answer, access="optional")


def fresh_auth_required(view: Callable[Concatenate[User, P], T]) -> Callable[P, T]:
    """As `auth_required`, and the password was given within the last 10 minutes (ASVS 7.5.1)."""

    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        if not _staying(view).claims.is_fresh:
            raise ReauthenticationRequired
        return view(signed_in().user, *args, **kwargs)

    return refuses(ReauthenticationRequired)(_guarded(answer))


def open_while_closing(view: Callable[P, T]) -> Callable[P, T]:
    """Stands below a guard: people whose account is being closed may come here too."""
    view.while_closing = True  # type: ignore[attr-defined]
    return view


def token_optional(view: Callable[P, T]) -> Callable[P, T]:
    """The view looks at the token itself, if one came; its session may have ended. A bad token is refused here."""

    @wraps(view)
    def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        if "Authorization" in request.headers:
            bearer()
        return view(*args, **kwargs)

    return _guarded(open_while_closing(answer), access="optional")


def signed_in() -> SignedIn:
    """Who asks, read once a transaction: the token's signature first, then the session's row.

    Raises:
        TokenRequired, InvalidToken
    """
    if not current.is_server():
        return _signed_in_there()
    known = remembered()
    if SignedIn not in known:
        known[SignedIn] = _look_up(bearer())
    found: SignedIn = known[SignedIn]
    return found


def bearer() -> Claims:
    """What the request's access token says; its session may have ended.

    Raises:
        TokenRequired, InvalidToken
    """
    return tokens.read(token_in(request.environ))


def token_in(environ: Environ) -> str:
    """The access token that a request brings, as WSGI tells of it; nothing of it is verified yet.

    Raises:
        TokenRequired, InvalidToken
    """
    kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not kind:
        raise TokenRequired
    if kind.lower() != "bearer":
        raise InvalidToken
    return str(token.strip())


def _user_if_any(view: Callable[..., Any]) -> User | None:
    if not current.is_server():
        current.mounted()  # or it says that there is none, to strangers too
    return _staying(view).user if "Authorization" in request.headers else None


def _staying(view: Callable[..., Any]) -> SignedIn:
    """Who asks; while the account is being closed, only where the view is open to them."""
    who = signed_in()
    _let_in(view, who.user.closes_at)
    return who


def _let_in(view: Callable[..., Any], closes_at: datetime | None) -> None:
    if closes_at is not None and not getattr(view, "while_closing", False):
        raise AccountClosing


def _signed_in_there() -> SignedIn:
    """Who asks in somebody else's application; read once a request. Flask's `g` may be shared by several."""
    if FOUND not in request.environ:
        request.environ[FOUND] = _ask(current.mounted())
    found: SignedIn = request.environ[FOUND]
    return found


def _ask(server: Flask) -> SignedIn:
    """Look up in the mounted server's database; what comes back is complete, and for reading."""
    token = token_in(request.environ)  # before the server's context, which need not know of a request
    with server.app_context():
        return transaction(lambda: _let_go(_look_up(tokens.read(token), joinedload(User.country))))


def _let_go(found: SignedIn) -> SignedIn:
    """Out of the transaction, whose commit would have every row read again."""
    db.session.expunge_all()
    return found


def _look_up(claims: Claims, *loading: ExecutableOption) -> SignedIn:
    found = select(Session, User).join(User, User.id == Session.user_id).where(Session.id == claims.session_id)
    row = db.session.execute(found.options(*loading)).first()
    if row is None or row.User.id != claims.user_id or not row.Session.is_live:
        raise InvalidToken
    return SignedIn(row.User, row.Session, claims)


def _guarded(view: Callable[P, T], access: str = "guarded") -> Callable[P, T]:
    marked: Any = refuses(InvalidToken)(view)
    if not getattr(view, "while_closing", False):
        marked = refuses(AccountClosing)(marked)
    marked.access = access
    return marked  # type: ignore[no-any-return]
