"""The routes that change and serve avatars."""

from typing import IO

from apiflask.schemas import FileSchema
from flask import Response
from marshmallow import RAISE

from flaskauth.accounts.models import User
from flaskauth.avatars import service
from flaskauth.avatars.images import InvalidImage
from flaskauth.avatars.schemas import AvatarRemovedResponse, AvatarRequest, AvatarResponse
from flaskauth.avatars.storage import AvatarsNotSupported
from flaskauth.core.errors import NotFound, Overloaded
from flaskauth.core.http.request import Blueprint, cached, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.core.http.uploads import ExpectedMultipart, MalformedMultipart
from flaskauth.sessions.decorators import auth_required, current_auth

WEBP = "image/webp"
# Pages of other origins may embed avatars. Opened directly, an avatar can run no script, whatever it contains.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
}

bp = Blueprint("avatars", __name__, tag="Avatars")


@bp.put("/users/avatar")
@rate_limit()
@auth_required
@raises(MalformedMultipart, ExpectedMultipart, InvalidImage, Overloaded, AvatarsNotSupported)
@bp.input(AvatarRequest, location="files", arg_name="form", unknown=RAISE)
@bp.output(AvatarResponse)
def replace_avatar(_user: User, form: dict[str, IO[bytes]]) -> dict[str, object]:
    """Upload your avatar.

    The image is converted, its metadata is removed, and it gets a new URL.
    """
    return {"user": service.set_avatar(current_auth(), form["avatar"])}


@bp.delete("/users/avatar")
@rate_limit()
@auth_required
@bp.output(AvatarRemovedResponse)
def remove_avatar(_user: User) -> dict[str, object]:
    """Remove your avatar.

    The image is deleted, and its URL no longer works.
    """
    return {"user": service.remove_avatar(current_auth())}


@bp.get("/avatars/<name>")
@public
@raises(NotFound, Overloaded, AvatarsNotSupported)
@cached(seconds=86_400)
@bp.output(FileSchema(type="string", format="binary"), content_type=WEBP)
def get_avatar(name: str) -> Response:
    """Get an avatar.

    Its URL is public but cannot be guessed.
    """
    image = service.get(name)
    return Response(image.chunks, mimetype=WEBP, headers={**HEADERS, "Content-Length": str(image.size)})
