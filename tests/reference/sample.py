"""A room with a route of each kind, as the product's rooms write them."""

from collections.abc import Callable
from typing import Any, ClassVar

from flaskauth.foundation.errors import NotFound, Problem, Unauthorized
from flaskauth.foundation.http import Blueprint, public, refuses
from flaskauth.foundation.limits import limited
from flaskauth.foundation.schemas import Form, Reply, Schema, Text, Time, fields, sentence

bp = Blueprint("sample", __name__, tag="Sample")


class WrongCode(Unauthorized):
    code = "wrong_code"
    message = "That is not the code."


class WeakPassword(Problem):
    status = 422
    message = "Choose another password."
    example: ClassVar[dict[str, Any]] = {"errors": {"password": ["Too common."]}}


class VerifyRequest(Form):
    otp = Text(required=True, metadata={"example": "BCDF-2345"})
    email = Text()


class NothingNeeded(Form):
    note = Text()


class Query(Schema):
    limit = fields.Integer()


class VerifyReply(Reply):
    message = sentence("Proven")
    at = Time(required=True, allow_none=True)


def guarded(access: str) -> Callable[[Any], Any]:
    def decorator(view: Any) -> Any:
        view.access = access
        return refuses(Unauthorized)(view)

    return decorator


@bp.post("/sample/verify")
@public
@limited("10/minute")
@bp.input(VerifyRequest, arg_name="form")
@bp.output(VerifyReply)
@refuses(WrongCode, WeakPassword)
def verify(form: dict[str, Any]) -> dict[str, Any]:
    """Prove an address."""
    return {"at": None}


@bp.post("/sample/notes")
@guarded("guarded")
@bp.input(NothingNeeded, arg_name="form")
@bp.output(VerifyReply)
def note(form: dict[str, Any]) -> dict[str, Any]:
    """Leave a note, or none."""
    return {"at": None}


@bp.get("/sample/notes")
@guarded("optional")
@bp.input(Query, location="query", arg_name="query")
@bp.output(VerifyReply)
def notes(query: dict[str, Any]) -> dict[str, Any]:
    """Read notes."""
    return {"at": None}


@bp.delete("/sample/notes/<int:note_id>")
@guarded("guarded")
@bp.output(Reply)
@refuses(NotFound)
def forget(note_id: int) -> dict[str, Any]:
    """Forget a note."""
    return {}


@bp.get("/dev/mailbox")
@public
@bp.output(Reply)
def mailbox() -> dict[str, Any]:
    """Read mail."""
    return {}
