"""/auth/undo, /auth/disown: each a page that does nothing by itself, and the call that it makes when it is told to."""

from typing import Any

from flask import Response

from flaskauth.codes import links
from flaskauth.foundation.http import Blueprint, public, refuses
from flaskauth.foundation.limits import limited
from flaskauth.recovery import pages, service
from flaskauth.recovery.schemas import TakenBackReply, TokenRequest
from flaskauth.recovery.service import LinkOver

PAGE: dict[int | str, Any] = {200: {"description": "Done", "content": {"text/html": {"schema": {"type": "string"}}}}}

bp = Blueprint("recovery", __name__, tag="Account", url_prefix="/auth", template_folder="templates")


@bp.get("/undo")
@public
@bp.doc(responses=PAGE)
def undo_page() -> Response:
    """The page behind the link of a change of address. The token stands after #, so it is in no log."""
    return pages.page(links.UNDO)


@bp.post("/undo")
@public
@limited("60/minute")
@refuses(LinkOver)
@bp.input(TokenRequest, arg_name="form")
@bp.output(TakenBackReply)
def undo(form: dict[str, str]) -> dict[str, Any]:
    """Take a change of address back; everybody is signed out, and a new password must be set."""
    service.undo(form["token"])
    return {}


@bp.get("/disown")
@public
@bp.doc(responses=PAGE)
def disown_page() -> Response:
    """The page behind the link of a sign-in from a new device. The token stands after #, so it is in no log."""
    return pages.page(links.DISOWN)


@bp.post("/disown")
@public
@limited("60/minute")
@refuses(LinkOver)
@bp.input(TokenRequest, arg_name="form")
@bp.output(TakenBackReply)
def disown(form: dict[str, str]) -> dict[str, Any]:
    """Say that a sign-in was not yours; everybody is signed out, and a new password must be set."""
    service.disown(form["token"])
    return {}
