"""/auth/refresh, /auth/logout, /auth/sessions."""

from typing import Any

from flask import Response, request

from flaskauth.accounts.models import User
from flaskauth.foundation.errors import NotFound
from flaskauth.foundation.http import Blueprint, Environ, moment_in, public, refuses
from flaskauth.foundation.limits import limited, spend
from flaskauth.foundation.shortcuts import only_field
from flaskauth.sessions import service
from flaskauth.sessions.device_names import device_name
from flaskauth.sessions.guards import (
    TokenRequired,
    auth_required,
    bearer,
    fresh_auth_required,
    signed_in,
    token_optional,
)
from flaskauth.sessions.models import Session
from flaskauth.sessions.schemas import LogoutRequest, RefreshReply, RefreshRequest, SessionsReply, SignedOutReply
from flaskauth.sessions.service import SignedOut, Tokens

REFRESHED = RefreshReply()
_refresh_token = only_field("refresh_token")

bp = Blueprint("sessions", __name__, tag="Sessions", url_prefix="/auth")


@bp.post("/refresh")
@public
@limited("600/minute")
@refuses(SignedOut)
@bp.input(RefreshRequest, arg_name="form")
@bp.output(RefreshReply)
def refresh(form: dict[str, str]) -> Tokens:
    """Trade a refresh token for the next one and a new access token."""
    return service.refresh(form["refresh_token"], moment_in(request.environ))


def refresh_at_once(environ: Environ) -> Any:
    """What `refresh` says to the first who brings a refresh token, and nothing else."""
    token = _refresh_token(environ)
    if token is None:
        return None
    spend(refresh, environ)
    traded = service.trade(token, moment_in(environ))
    return REFRESHED.dump(traded) if traded else None


@bp.post("/logout")
@limited("600/minute")
@token_optional
@refuses(TokenRequired)
@bp.input(LogoutRequest, arg_name="form")
@bp.output(SignedOutReply)
def logout(form: dict[str, str]) -> dict[str, Any]:
    """End this session, named by the access token or by its refresh token; its access tokens end too."""
    if "Authorization" in request.headers:
        claims = bearer()
        service.sign_out(claims.session_id, claims.user_id)
    elif "refresh_token" in form:
        service.sign_out_by_token(form["refresh_token"])
    else:
        raise TokenRequired
    return {}


@bp.after_request
def clear_site_data(response: Response) -> Response:
    """Have browsers forget what belonged to the session (ASVS 14.3.1)."""
    if request.endpoint == "sessions.logout" and response.status_code == 200:
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'
    return response


@bp.get("/sessions")
@limited("600/minute")
@auth_required
@bp.output(SessionsReply)
def sessions(user: User) -> dict[str, Any]:
    """The sessions that are open now, newest first."""
    current = signed_in().session.id
    return {"sessions": [_shown(session, current) for session in service.live(user.id)]}


@bp.delete("/sessions/<int:session_id>")
@limited("600/minute")
@fresh_auth_required
@refuses(NotFound)
@bp.output(SignedOutReply)
def end_session(user: User, session_id: int) -> dict[str, Any]:
    """End one of your sessions."""
    service.end_one(user.id, session_id)
    return {}


@bp.delete("/sessions")
@limited("600/minute")
@fresh_auth_required
@bp.output(SignedOutReply)
def end_other_sessions(user: User) -> dict[str, Any]:
    """End all your sessions but this one; other devices become unknown."""
    service.end_others(user.id, but=signed_in().session)
    return {}


def _shown(session: Session, current: int) -> dict[str, Any]:
    names = ("id", "ip", "created_at", "last_used_at", "expired_at")
    about = {name: getattr(session, name) for name in names}
    return {"current": session.id == current, "device": device_name(session.device), **about}
