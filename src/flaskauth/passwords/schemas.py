"""Request and response bodies of password reset and change."""

from collections.abc import Mapping

from flaskauth.accounts.schemas import EmailField, NewPasswordField, PasswordField
from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, message_field, validates_schema
from flaskauth.login.schemas import MailCodeRequest
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField, require_id_or_email
from flaskauth.passwords.service import PasswordResetData

RESET_ID_DESCRIPTION = "Identifies this password reset"


class ForgotPasswordRequest(MailCodeRequest):
    pass


class ForgotPasswordResponse(ResponseSchema):
    message = message_field("If this email address has an account, a reset code will be sent")
    reset_id = VerificationIdField(RESET_ID_DESCRIPTION, required=True)


class ResetPasswordRequest(RequestSchema):
    factory = PasswordResetData

    otp = CodeField(required=True)
    password = NewPasswordField(required=True)
    reset_id = VerificationIdField(RESET_ID_DESCRIPTION)
    email = EmailField()

    @validates_schema
    def validate_one_identifier(self, data: Mapping[str, object], **_kwargs: object) -> None:
        require_id_or_email(data, "reset_id")


class ChangePasswordRequest(RequestSchema):
    current_password = PasswordField()  # required if the user has a password
    password = NewPasswordField(required=True)


class PasswordChangedResponse(ResponseSchema):
    message = message_field("Your password was changed")


class PasswordRemovedResponse(ResponseSchema):
    message = message_field("Your password was removed")
