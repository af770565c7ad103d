"""/users/account: close it, take that back."""

from typing import Any

from flaskauth.accounts.models import User
from flaskauth.closing import service
from flaskauth.closing.schemas import ClosingReply, RestoredReply
from flaskauth.foundation.errors import NotFound
from flaskauth.foundation.http import Blueprint, refuses
from flaskauth.foundation.limits import limited
from flaskauth.sessions.guards import auth_required, fresh_auth_required, open_while_closing, signed_in

bp = Blueprint("closing", __name__, tag="Profile", url_prefix="/users/account")


@bp.delete("")
@limited("30/minute")
@fresh_auth_required
@bp.output(ClosingReply)
def close(_user: User) -> dict[str, Any]:
    """Close your account: you are signed out everywhere, and in a week everything held about you is erased."""
    return {"closes_at": service.close(signed_in())}


@bp.post("/restore")
@limited("30/minute")
@auth_required
@open_while_closing
@refuses(NotFound)
@bp.output(RestoredReply)
def restore(_user: User) -> dict[str, Any]:
    """Take the closing of your account back; 404 where it is not being closed."""
    service.restore(signed_in())
    return {}
