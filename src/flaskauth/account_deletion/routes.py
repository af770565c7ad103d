"""The routes that schedule and cancel the deletion of an account."""

from flaskauth.account_deletion import service
from flaskauth.account_deletion.schemas import AccountRestoredResponse, DeletionScheduledResponse
from flaskauth.accounts.models import User
from flaskauth.core.errors import NotFound
from flaskauth.core.http.request import Blueprint, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.sessions.decorators import (
    allow_enrolment,
    allow_pending_deletion,
    auth_required,
    current_auth,
    fresh_auth_required,
)

bp = Blueprint("account_deletion", __name__, tag="Profile", url_prefix="/users/account")


@bp.delete("")
@rate_limit()
@fresh_auth_required
@bp.output(DeletionScheduledResponse)
def delete_account(_user: User) -> dict[str, object]:
    """Schedule the deletion of your account.

    All sessions are revoked; all your data is erased in 7 days.
    """
    return {"deletion_due_at": service.request_deletion(current_auth())}


@bp.post("/restore")
@rate_limit()
@auth_required
@allow_pending_deletion
@allow_enrolment
@raises(NotFound)
@bp.output(AccountRestoredResponse)
def restore_account(_user: User) -> dict[str, object]:
    """Cancel the deletion of your account.

    The response is 404 if no deletion is scheduled.
    """
    service.restore(current_auth())
    return {}
