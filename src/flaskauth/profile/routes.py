"""/users/profile, /users/edit."""

from typing import Any

from flaskauth.accounts.models import User
from flaskauth.foundation.http import Blueprint
from flaskauth.foundation.limits import limited
from flaskauth.profile import service
from flaskauth.profile.schemas import EditReply, EditRequest, ProfileReply
from flaskauth.sessions.guards import auth_required, open_while_closing

bp = Blueprint("profile", __name__, tag="Profile", url_prefix="/users")


@bp.get("/profile")
@auth_required
@open_while_closing
@bp.output(ProfileReply)
def profile(user: User) -> dict[str, Any]:
    """Who you are."""
    return {"user": user}


@bp.post("/edit")
@limited("120/minute")
@auth_required
@bp.input(EditRequest, arg_name="form")
@bp.output(EditReply)
def edit(user: User, form: dict[str, Any]) -> dict[str, Any]:
    """Change names, country or language."""
    return {"user": service.edit(user, form)}
