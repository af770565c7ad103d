"""The routes that request and confirm an email change."""

from flaskauth.accounts.models import User
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.errors import TooManyRequests
from flaskauth.core.http.request import Blueprint, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.email_change import service
from flaskauth.email_change.schemas import (
    ChangeEmailRequest,
    ChangeEmailResponse,
    EmailChangedResponse,
    VerifyEmailRequest,
)
from flaskauth.email_change.service import InvalidEmailChangeCode
from flaskauth.sessions.decorators import auth_required, current_auth, fresh_auth_required

bp = Blueprint("email_change", __name__, tag="Account", url_prefix="/users")


@bp.post("/email")
@rate_limit("send_code")
@fresh_auth_required
@raises(TooManyRequests)
@bp.input(ChangeEmailRequest, arg_name="form")
@bp.output(ChangeEmailResponse)
def change_email(_user: User, form: dict[str, EmailAddress]) -> dict[str, object]:
    """Request a new email address.

    The new address receives a code; the current address receives a link that reverts the change.
    """
    service.request_change(current_auth(), form["email"])
    return {}


@bp.post("/email/verify")
@rate_limit("verify")
@auth_required
@raises(InvalidEmailChangeCode)
@bp.input(VerifyEmailRequest, arg_name="form")
@bp.output(EmailChangedResponse)
def verify_email_change(_user: User, form: dict[str, str]) -> dict[str, object]:
    """Verify the new email address with the code from its mail.

    Your other sessions are revoked.
    """
    return {"user": service.confirm_change(current_auth(), form["otp"])}
