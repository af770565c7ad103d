"""/users/profile, /users/edit, /users/activity, /users/export."""

from typing import Any

from flask import Response
from marshmallow import RAISE

from flaskauth.accounts.models import User
from flaskauth.accounts.service import shown
from flaskauth.foundation.http import Blueprint, Environ, streamed
from flaskauth.foundation.limits import limited
from flaskauth.profile import export, service
from flaskauth.profile.account import AccountReply
from flaskauth.profile.schemas import ActivityQuery, ActivityReply, EditReply, EditRequest, ProfileReply
from flaskauth.profile.service import Activity
from flaskauth.sessions.guards import (
    auth_required,
    auth_to_read,
    fresh_auth_required,
    open_while_closing,
    reader,
    signed_in,
    token_in,
)

PROFILE = ProfileReply()

bp = Blueprint("profile", __name__, tag="Profile", url_prefix="/users")


@bp.get("/profile")
@auth_to_read
@open_while_closing
@bp.output(ProfileReply)
def profile(user: Any) -> dict[str, Any]:
    """Who you are."""
    return {"user": shown(user)}


def profile_at_once(environ: Environ) -> Any:
    """What `profile` says where a request brings nothing but an access token."""
    return None if environ.get("CONTENT_LENGTH") else PROFILE.dump({"user": shown(reader(token_in(environ)))})


@bp.post("/edit")
@limited("120/minute")
@auth_required
@bp.input(EditRequest, arg_name="form")
@bp.output(EditReply)
def edit(user: User, form: dict[str, Any]) -> dict[str, Any]:
    """Change names, country or language."""
    return {"user": service.edit(user, form)}


@bp.get("/activity")
@limited("600/minute")
@auth_required
@bp.input(ActivityQuery, location="query", arg_name="query", unknown=RAISE)
@bp.output(ActivityReply)
def activity(user: User, query: dict[str, int]) -> Activity:
    """What happened to your account, the newest first."""
    return service.activity(user.id, **query)


@bp.get("/export")
@limited("30/minute")
@fresh_auth_required
@open_while_closing
@bp.output(AccountReply)
def export_account(_user: User) -> Response:
    """Everything held about you, as a file; nothing that opens a door is in it."""
    account = streamed(export.export(signed_in()))
    disposition = {"Content-Disposition": 'attachment; filename="account.json"'}
    return Response(account, mimetype="application/json", headers=disposition)
