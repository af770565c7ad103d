"""/users/avatar, /avatars."""

from typing import IO, Any

from apiflask.schemas import FileSchema
from flask import Response
from marshmallow import RAISE

from flaskauth.accounts.models import User
from flaskauth.avatars import service
from flaskauth.avatars.pictures import NotAPicture
from flaskauth.avatars.schemas import AvatarRemovedReply, AvatarReply, AvatarRequest
from flaskauth.foundation.errors import NotFound, Overloaded
from flaskauth.foundation.http import Blueprint, cached, public, refuses
from flaskauth.foundation.limits import limited
from flaskauth.foundation.uploads import BrokenForm, NotAForm
from flaskauth.sessions.guards import auth_required

WEBP = "image/webp"
# Pages of other origins show it; opened by itself it is a picture and nothing else, whatever it may contain.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

bp = Blueprint("avatars", __name__, tag="Avatars")


@bp.put("/users/avatar")
@limited("30/minute")
@auth_required
@refuses(BrokenForm, NotAForm, NotAPicture, Overloaded)
@bp.input(AvatarRequest, location="files", arg_name="form", unknown=RAISE)
@bp.output(AvatarReply)
def put(user: User, form: dict[str, IO[bytes]]) -> dict[str, Any]:
    """Put up a picture of yourself; it is made anew, without what the file tells besides, and has a new address."""
    return {"user": service.replace(user, form["avatar"])}


@bp.delete("/users/avatar")
@limited("30/minute")
@auth_required
@bp.output(AvatarRemovedReply)
def remove(user: User) -> dict[str, Any]:
    """Take your picture down."""
    return {"user": service.remove(user)}


@bp.get("/avatars/<name>")
@public
@refuses(NotFound, Overloaded)
@cached(seconds=86_400)
@bp.output(FileSchema(type="string", format="binary"), content_type=WEBP)
def show(name: str) -> Response:
    """A person's picture, for everybody who knows its address."""
    found = service.find(name)
    return Response(found.chunks, mimetype=WEBP, headers={**HEADERS, "Content-Length": str(found.size)})
