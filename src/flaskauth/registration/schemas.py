"""What joining hears and says."""

from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts.schemas import EmailField, LocaleField, NameField, PasswordField, country_code
from flaskauth.codes.schemas import CodeField, DoorField
from flaskauth.foundation.http import preferred_language
from flaskauth.foundation.schemas import Form, Reply, fields, sentence, validates_schema
from flaskauth.mail.rendering import languages
from flaskauth.registration.service import Joining, Proof

ATTEMPT = "Of this attempt to join"


class RegisterRequest(Form):
    makes = Joining

    email = EmailField(required=True)
    password = PasswordField(required=True)
    first_name = NameField("Grace", required=True)
    last_name = NameField("Hopper", required=True)
    country = country_code()
    locale = LocaleField(load_default=lambda: preferred_language(languages()))


class RegisterReply(Reply):
    message = sentence("Registration Successful, check your email for OTP code to verify your account")
    verification_id = DoorField(ATTEMPT, required=True)


class VerifyRequest(Form):
    makes = Proof

    otp = CodeField(required=True)
    verification_id = DoorField(ATTEMPT)
    email = EmailField()

    @validates_schema
    def choose_one_door(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if "verification_id" in data and "email" in data:
            raise ValidationError("Send verification_id or email, not both.", "verification_id")


class VerifyReply(Reply):
    message = sentence("Verification Successful! Login to your account")


class ResendRequest(Form):
    verification_id = DoorField(ATTEMPT)
    email = EmailField()

    @validates_schema
    def choose_one_door(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("verification_id" in data) == ("email" in data):
            raise ValidationError("Send verification_id or email.", "verification_id")


class ResendReply(Reply):
    message = sentence("If a code is due, it is on its way")
    retry_after = fields.Integer(required=True, metadata={"description": "Seconds until it may be asked for again."})
