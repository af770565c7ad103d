"""The routes of the current user's profile, activity and data export."""

from collections.abc import Sequence

from flask import Response
from marshmallow import RAISE

from flaskauth.accounts.models import User
from flaskauth.accounts.service import public_fields
from flaskauth.core.errors import APIError
from flaskauth.core.http.request import BatchResult, Blueprint, Environ, stream_with_app_context
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.profile import export, service
from flaskauth.profile.export_schemas import AccountExportResponse
from flaskauth.profile.schemas import ActivityQuery, ActivityResponse, EditRequest, EditResponse, ProfileResponse
from flaskauth.profile.service import ActivityPage, ProfileChanges
from flaskauth.sessions.decorators import (
    SessionUserRow,
    allow_pending_deletion,
    auth_required,
    auth_required_readonly,
    current_auth,
    fresh_auth_required,
    load_public_users,
)

PROFILE_SCHEMA = ProfileResponse()

bp = Blueprint("profile", __name__, tag="Profile", url_prefix="/users")


@bp.get("/profile")
@auth_required_readonly
@bp.output(ProfileResponse)
def get_profile(user: SessionUserRow) -> dict[str, object]:
    """Get the current user's profile.

    An account that is scheduled for deletion can still read its profile.
    """
    return {"user": public_fields(user)}


def get_profiles(environs: Sequence[Environ]) -> list[BatchResult]:
    """Return the result of `get_profile` for each request of the fast path."""
    return [
        row if isinstance(row, APIError) else PROFILE_SCHEMA.dump({"user": public_fields(row)})
        for row in load_public_users(environs)
    ]


@bp.post("/edit")
@rate_limit()
@auth_required
@bp.input(EditRequest, arg_name="form")
@bp.output(EditResponse)
def edit_profile(_user: User, form: ProfileChanges) -> dict[str, object]:
    """Change your names, country or language.

    Fields that are not sent stay unchanged.
    """
    return {"user": service.edit(current_auth(), form)}


@bp.get("/activity")
@rate_limit()
@auth_required
@bp.input(ActivityQuery, location="query", arg_name="query", unknown=RAISE)
@bp.output(ActivityResponse)
def list_activity(user: User, query: dict[str, int]) -> ActivityPage:
    """List the events of your account.

    The newest event comes first. Send `next` of a page as `cursor` to get the page after it.
    """
    return service.list_activity(user.id, **query)


@bp.get("/export")
@rate_limit()
@fresh_auth_required
@allow_pending_deletion
@bp.output(AccountExportResponse)
def export_account(_user: User) -> Response:
    """Download all data stored about you.

    The response is a JSON file. It contains no credentials.
    """
    account = stream_with_app_context(export.export(current_auth()))
    disposition = {"Content-Disposition": 'attachment; filename="account.json"'}
    return Response(account, mimetype="application/json", headers=disposition)
