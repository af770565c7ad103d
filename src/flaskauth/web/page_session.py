"""The session of a browser: a cookie with the id of a session, and the time until which it allows sensitive operations.

The row of the session is read for each request, and its nonce authenticates the cookie. The API ignores the cookie.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import request
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from flaskauth.accounts import mfa_policy
from flaskauth.accounts.models import User
from flaskauth.core import clock, crypto
from flaskauth.core.db.session import db, transaction_cache
from flaskauth.core.ids import MAX_SAFE_INTEGER
from flaskauth.login.service import LoginResult
from flaskauth.sessions import active
from flaskauth.sessions.decorators import ENVIRON_KEY, AuthContext
from flaskauth.sessions.models import Session
from flaskauth.signing_keys import access_tokens
from flaskauth.signing_keys.access_tokens import AccessTokenClaims
from flaskauth.web import cookies

LABEL = "page session"
EXTENSION_INTERVAL = timedelta(minutes=5)  # a session that is in use is written at most this often
MAX_COOKIE_LENGTH = 128  # characters
MAX_TIMESTAMP = 2**33


@dataclass(frozen=True)
class SessionCookie:
    """The parts of the cookie: <session id>.<fresh until>.<kept>.<MAC>.

    The second is a Unix timestamp, or 0. A kept cookie remains when the browser is closed.
    """

    session_id: int
    fresh_until: int
    is_kept: bool

    def serialize(self, nonce: bytes) -> str:
        """Return the value of the cookie, for the nonce of the session."""
        mac = crypto.mac(LABEL, *self._parts(), nonce)
        return f"{'.'.join(map(str, self._parts()))}.{crypto.base64url_encode(mac)}"

    def is_authentic(self, mac: bytes, nonce: bytes) -> bool:
        """Return True if the MAC is valid under the current secret key or a fallback."""
        macs = crypto.macs_all_keys(LABEL, *self._parts(), nonce)
        return any([crypto.compare_digest(mac, expected) for expected in macs])

    def _parts(self) -> tuple[int, int, int]:
        return self.session_id, self.fresh_until, int(self.is_kept)


def current() -> AuthContext | None:
    """Return the session of the request's cookie, or None. `current_user` is its user from now on."""
    cache = transaction_cache()
    if SessionCookie not in cache:
        cache[SessionCookie] = auth = _load()
        if auth:
            cache[AuthContext] = request.environ[ENVIRON_KEY] = auth
    result = cache[SessionCookie]
    assert result is None or isinstance(result, AuthContext)
    return result


def start(response: Response, login: LoginResult, *, is_kept: bool) -> None:
    """Set the cookies of a session that a sign-in has started. It is as fresh as the access token of the sign-in."""
    session = db.session.get_one(Session, login.session_id)
    _put(response, session, access_tokens.decode(login.token).fresh_until, is_kept=is_kept)
    cookies.put_device_token(response, login.device_token)
    cookies.delete(response, cookies.STEP)


def make_fresh(response: Response, auth: AuthContext, fresh_until: datetime) -> None:
    """Set the cookie of the current session again, after a reauthentication."""
    cookie, _ = _parse(cookies.get(cookies.SESSION)) or (None, b"")
    _put(response, auth.session, fresh_until, is_kept=cookie is not None and cookie.is_kept)


def end(response: Response) -> None:
    """Delete the cookie of the session. The device remains recognised."""
    cookies.delete(response, cookies.SESSION)


def extend(auth: AuthContext) -> None:
    """Extend the idle timeout of a session, at most every 5 minutes.

    Call it before the first write of the transaction: it autocommits, and SQLite has one writer.
    """
    if clock.now() - auth.session.last_used_at >= EXTENSION_INTERVAL:
        active.extend(auth.session.id)


def load_detached() -> AuthContext | None:
    """Return the session of the cookie with complete, read-only objects, for an application that mounts the server."""
    auth = _load()
    db.session.expunge_all()
    return auth


def _put(response: Response, session: Session, fresh_until: datetime | None, *, is_kept: bool) -> None:
    timestamp = int(fresh_until.timestamp()) if fresh_until else 0
    value = SessionCookie(session.id, timestamp, is_kept).serialize(session.nonce)
    cookies.put(response, cookies.SESSION, value, session.expires_at if is_kept else None)


def _load() -> AuthContext | None:
    cookie, mac = _parse(cookies.get(cookies.SESSION)) or (None, b"")
    row = active.load(cookie.session_id, joinedload(User.country)) if cookie else None
    if cookie is None or row is None or not cookie.is_authentic(mac, row[0].nonce):
        return None
    session, user = row
    claims = AccessTokenClaims(
        user_id=user.id,
        session_id=session.id,
        valid_from=session.created_at,
        expires_at=session.expires_at,
        fresh_until=datetime.fromtimestamp(cookie.fresh_until, UTC) if cookie.fresh_until else None,
    )
    return AuthContext(user, session, claims, must_enrol=mfa_policy.must_enrol(user))


def _parse(value: str) -> tuple[SessionCookie, bytes] | None:
    """Return the parts of a cookie and its MAC, or None if it is malformed."""
    parts = value.split(".") if len(value) <= MAX_COOKIE_LENGTH and value.isascii() else []
    if len(parts) != 4 or not all(part.isdigit() and len(part) <= 16 for part in parts[:3]):
        return None
    session_id, fresh_until, is_kept = map(int, parts[:3])
    mac = crypto.base64url_decode(parts[3])
    if not (0 < session_id <= MAX_SAFE_INTEGER and fresh_until < MAX_TIMESTAMP and is_kept in {0, 1} and mac):
        return None
    return SessionCookie(session_id, fresh_until, bool(is_kept)), mac
