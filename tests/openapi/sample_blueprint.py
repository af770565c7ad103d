"""A blueprint with a route of each kind, written like those of flaskauth."""

from collections.abc import Callable
from typing import Any, ClassVar

from flaskauth.core.errors import APIError, NotFound, Unauthorized
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.core.http.schemas import (
    RequestSchema,
    ResponseSchema,
    Schema,
    StrictString,
    UTCTimestamp,
    fields,
    message_field,
)

bp = Blueprint("sample", __name__, tag="Sample")


class InvalidCode(Unauthorized):
    code = "invalid_code"
    message = "The code is invalid."


class WeakPassword(APIError):
    status = 422
    message = "Choose another password."
    example: ClassVar[dict[str, Any]] = {"errors": {"password": ["Too common."]}}


class VerifyRequest(RequestSchema):
    otp = StrictString(required=True, metadata={"example": "BCDF-2345"})
    email = StrictString()


class OptionalBody(RequestSchema):
    note = StrictString()


class QuerySchema(Schema):
    limit = fields.Integer()


class VerifyReply(ResponseSchema):
    message = message_field("Verified")
    at = UTCTimestamp(required=True, allow_none=True)


def guarded(access: str) -> Callable[[Any], Any]:
    def decorator(view: Any) -> Any:
        view.access = access
        return raises(Unauthorized)(view)

    return decorator


@bp.post("/sample/verify")
@public
@rate_limit()
@bp.input(VerifyRequest, arg_name="form")
@bp.output(VerifyReply)
@raises(InvalidCode, WeakPassword)
def verify(form: dict[str, Any]) -> dict[str, Any]:
    """Verify an email address."""
    return {"at": None}


@bp.post("/sample/notes")
@guarded("guarded")
@bp.input(OptionalBody, arg_name="form")
@bp.output(VerifyReply)
def create_note(form: dict[str, Any]) -> dict[str, Any]:
    """Create a note."""
    return {"at": None}


@bp.get("/sample/notes")
@guarded("optional")
@bp.input(QuerySchema, location="query", arg_name="query")
@bp.output(VerifyReply)
def list_notes(query: dict[str, Any]) -> dict[str, Any]:
    """List notes."""
    return {"at": None}


@bp.delete("/sample/notes/<int:note_id>")
@guarded("guarded")
@bp.output(ResponseSchema)
@raises(NotFound)
def delete_note(note_id: int) -> dict[str, Any]:
    """Delete a note."""
    return {}


@bp.get("/sample/hello")
@public
@bp.output(ResponseSchema)
def get_hello() -> dict[str, Any]:
    """Return a greeting."""
    return {}
