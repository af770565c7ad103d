"""/auth/refresh, /auth/logout, /auth/sessions."""

from collections.abc import Sequence

from flask import request

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.errors import APIError, NotFound
from flaskauth.core.http import json_body
from flaskauth.core.http.request import (
    REQUEST_TIME,
    BatchResult,
    Blueprint,
    Environ,
    public,
    raises,
    request_time,
)
from flaskauth.core.http.request_limits import count_request, rate_limit
from flaskauth.sessions import refresh_tokens, service
from flaskauth.sessions.decorators import (
    TokenRequired,
    allow_enrolment,
    auth_required,
    bearer_claims,
    current_auth,
    fresh_auth_required,
    lock_session,
    token_optional,
)
from flaskauth.sessions.device_names import device_name
from flaskauth.sessions.models import Session
from flaskauth.sessions.refresh_tokens import ParsedRefreshToken
from flaskauth.sessions.schemas import LogoutRequest, LogoutResponse, RefreshRequest, RefreshResponse, SessionsResponse
from flaskauth.sessions.service import InvalidRefreshToken, TokenPair

REFRESH_SCHEMA = RefreshResponse()
PLAIN_CONTENT_TYPES = {"application/json", "application/json;charset=utf-8", "application/json; charset=utf-8"}
MAX_PLAIN_BODY = 1024  # bytes

bp = Blueprint("sessions", __name__, tag="Sessions", url_prefix="/auth")


@bp.post("/refresh")
@public
@rate_limit("refresh")
@raises(InvalidRefreshToken)
@bp.input(RefreshRequest, arg_name="form")
@bp.output(RefreshResponse)
def refresh_token(form: dict[str, str]) -> TokenPair:
    """Exchange the refresh token for a new access token.

    The response also has the next refresh token. Store it: an old one that is used later revokes the session.
    """
    return service.refresh(form["refresh_token"], request_time(request.environ))


def refresh_in_batch(environs: Sequence[Environ]) -> list[BatchResult]:
    """Return the result of `refresh_token` for each request of the fast path; None for all but first uses of a token.

    Two requests of one session are never rotated together: `refresh` decides about the second one, at its own time.
    """
    now = clock.now()
    results: list[BatchResult] = [None] * len(environs)
    tokens: dict[int, tuple[int, ParsedRefreshToken]] = {}
    for position, environ in enumerate(environs):
        token = _parse_plain_body(environ)
        if token is None or token.session_id in tokens:
            continue
        try:
            count_request(refresh_token, environ)
        except APIError as error:
            results[position] = error
            continue
        environ[REQUEST_TIME] = now  # `refresh` recognises a rotation of this batch by it
        tokens[token.session_id] = position, token
    pairs = service.rotate([token for _, token in tokens.values()], now, skips_locked=True)
    for (position, _), pair in zip(tokens.values(), pairs, strict=True):
        results[position] = REFRESH_SCHEMA.dump(pair) if isinstance(pair, TokenPair) else pair
    return results


def _parse_plain_body(environ: Environ) -> ParsedRefreshToken | None:
    """Return the token of a body with this single field, or None for all others. The body can be read again."""
    if environ.get("CONTENT_TYPE", "").lower() not in PLAIN_CONTENT_TYPES:
        return None
    try:
        body = environ["wsgi.input"].read(MAX_PLAIN_BODY + 1)
        environ["wsgi.input"].seek(0)
        fields = json_body.parse_json(body) if len(body) <= MAX_PLAIN_BODY else None
    except APIError:  # Flask reads it again, and raises the error after counting the request
        return None
    token = fields.get("refresh_token") if isinstance(fields, dict) and len(fields) == 1 else None
    return refresh_tokens.parse(token) if isinstance(token, str) else None


@bp.post("/logout")
@rate_limit()
@token_optional
@raises(TokenRequired)
@bp.input(LogoutRequest, arg_name="form")
@bp.output(LogoutResponse)
def logout(form: dict[str, str]) -> dict[str, object]:
    """Sign out.

    Revokes the session of the access token or refresh token, with all its access tokens.
    """
    if "Authorization" in request.headers:
        claims = bearer_claims()
        service.sign_out(claims.session_id, claims.user_id)
    elif "refresh_token" in form:
        service.sign_out_by_token(form["refresh_token"])
    else:
        raise TokenRequired
    return {}


@bp.get("/sessions")
@rate_limit()
@auth_required
@allow_enrolment
@bp.output(SessionsResponse)
def list_sessions(user: User) -> dict[str, object]:
    """List the active sessions of the current user.

    The newest session comes first. `current` marks the session of the access token.
    """
    current_id = current_auth().session.id
    return {"sessions": [_to_dict(session, current_id) for session in service.active_sessions(user.id)]}


@bp.delete("/sessions/<int:session_id>")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(NotFound)
@bp.output(LogoutResponse)
def revoke_session(_user: User, session_id: int) -> dict[str, object]:
    """Revoke one session of the current user.

    Its refresh token and its access tokens are rejected immediately. Its device no longer replaces the second factor.
    """
    service.revoke_own(lock_session(current_auth()).id, session_id)
    return {}


@bp.delete("/sessions")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@bp.output(LogoutResponse)
def revoke_other_sessions(_user: User) -> dict[str, object]:
    """Revoke all other sessions of the current user.

    Other devices are no longer recognised, and no device replaces the second factor.
    """
    auth = current_auth()
    service.revoke_others(lock_session(auth).id, current_session=auth.session)
    return {}


def _to_dict(session: Session, current_id: int) -> dict[str, object]:
    names = ("id", "ip", "created_at", "last_used_at", "expired_at")
    fields = {name: getattr(session, name) for name in names}
    return {"current": session.id == current_id, "device": device_name(session.user_agent), **fields}
