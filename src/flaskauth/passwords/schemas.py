"""What the calls on passwords hear and say."""

from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts.schemas import EmailField, PasswordField
from flaskauth.codes.schemas import CodeField, DoorField
from flaskauth.foundation.schemas import Form, Reply, sentence, validates_schema
from flaskauth.passwords.service import Reset

RESET = "Of this reset"


class ForgotPasswordRequest(Form):
    email = EmailField(required=True)


class ForgotPasswordReply(Reply):
    message = sentence("If this address has an account, a code is on its way")
    reset_id = DoorField(RESET, required=True)


class ResetPasswordRequest(Form):
    makes = Reset

    otp = CodeField(required=True)
    password = PasswordField(required=True)
    reset_id = DoorField(RESET)
    email = EmailField()

    @validates_schema
    def choose_one_door(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("reset_id" in data) == ("email" in data):
            raise ValidationError("Send reset_id or email.", "reset_id")


class ChangePasswordRequest(Form):
    current_password = PasswordField(required=True)
    password = PasswordField(required=True)


class PasswordChangedReply(Reply):
    message = sentence("Your password was changed")
