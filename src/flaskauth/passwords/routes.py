"""/auth/forgot-password, /auth/reset-password, /auth/change-password."""

from flaskauth.accounts.models import User
from flaskauth.accounts.password_policy import WeakPassword
from flaskauth.core.errors import Overloaded, ValidationFailed
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.login.mailed_codes import InvalidMailedCode, MailedCodeRequest
from flaskauth.login.service import InvalidCredentials
from flaskauth.passwords import service
from flaskauth.passwords.schemas import (
    ChangePasswordRequest,
    ForgotPasswordRequest,
    ForgotPasswordResponse,
    PasswordChangedResponse,
    PasswordRemovedResponse,
    ResetPasswordRequest,
)
from flaskauth.passwords.service import PasskeyRequired, PasswordResetData
from flaskauth.sessions.decorators import (
    ReauthenticationRequired,
    auth_required,
    current_auth,
    fresh_auth_required,
)

bp = Blueprint("passwords", __name__, tag="Passwords", url_prefix="/auth")
removal_bp = Blueprint("password_removal", __name__, tag="Passwords", url_prefix="/users")


@bp.post("/forgot-password")
@public
@rate_limit("send_code")
@bp.input(ForgotPasswordRequest, arg_name="form")
@bp.output(ForgotPasswordResponse)
def forgot_password(form: MailedCodeRequest) -> dict[str, object]:
    """Request a password reset code by mail.

    The response does not reveal whether the email address has an account.
    """
    return {"reset_id": service.request_reset(form)}


@bp.post("/reset-password")
@public
@rate_limit("verify")
@raises(InvalidMailedCode, WeakPassword, Overloaded)
@bp.input(ResetPasswordRequest, arg_name="form")
@bp.output(PasswordChangedResponse)
def reset_password(form: PasswordResetData) -> dict[str, object]:
    """Set a new password with the code from the mail.

    Send the code with `reset_id` or with the email address. All sessions are revoked.
    """
    service.reset_password(form)
    return {}


@bp.post("/change-password")
@rate_limit("login")
@auth_required
@raises(InvalidCredentials, ReauthenticationRequired, WeakPassword, Overloaded)
@bp.input(ChangePasswordRequest, arg_name="form")
@bp.output(PasswordChangedResponse)
def change_password(_user: User, form: dict[str, str]) -> dict[str, object]:
    """Change the password.

    Requires the current password, and a fresh token if MFA is on or the user has no password. All other sessions are
    revoked.
    """
    service.change_password(current_auth(), form.get("current_password"), form["password"])
    return {}


@removal_bp.delete("/password")
@rate_limit()
@fresh_auth_required
@raises(PasskeyRequired, ValidationFailed)
@removal_bp.output(PasswordRemovedResponse)
def remove_password(_user: User) -> dict[str, object]:
    """Remove the password, to sign in with passkeys only.

    Requires a session that has proven a passkey, and two passkeys, or a synced one and recovery codes. A password reset
    sets a password again.
    """
    service.remove_password(current_auth())
    return {}
