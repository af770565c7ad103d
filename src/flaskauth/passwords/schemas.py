"""Request and response bodies of password reset and change."""

from collections.abc import Mapping

from marshmallow import ValidationError

from flaskauth.accounts.schemas import EmailField, NewPasswordField, PasswordField
from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, message_field, validates_schema
from flaskauth.login.schemas import device_token_field
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField
from flaskauth.passwords.service import ForgotPasswordData, PasswordResetData

RESET_ID_DESCRIPTION = "Identifies this password reset"


class ForgotPasswordRequest(RequestSchema):
    factory = ForgotPasswordData

    email = EmailField(required=True)
    device_token = device_token_field()


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
        if ("reset_id" in data) == ("email" in data):
            raise ValidationError("Send reset_id or email.", "reset_id")


class ChangePasswordRequest(RequestSchema):
    current_password = PasswordField(required=True)
    password = NewPasswordField(required=True)


class PasswordChangedResponse(ResponseSchema):
    message = message_field("Your password was changed")
