"""Request and response bodies of registration."""

from collections.abc import Mapping

from marshmallow import ValidationError

from flaskauth.accounts.schemas import EmailField, LocaleField, NameField, NewPasswordField, country_code_field
from flaskauth.core.http.request import preferred_language
from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, fields, message_field, validates_schema
from flaskauth.mail.templates import languages
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField, require_id_or_email
from flaskauth.registration.service import RegistrationData, ResendData, VerificationData

VERIFICATION_ID_DESCRIPTION = "Identifies this pending registration"


class RegisterRequest(RequestSchema):
    factory = RegistrationData

    email = EmailField(required=True)
    password = NewPasswordField(required=True)
    first_name = NameField("Grace", required=True)
    last_name = NameField("Hopper", min_length=0, required=True)
    country = country_code_field()
    locale = LocaleField(load_default=lambda: preferred_language(languages()))


class RegisterResponse(ResponseSchema):
    message = message_field("Registration Successful, check your email for OTP code to verify your account")
    verification_id = VerificationIdField(VERIFICATION_ID_DESCRIPTION, required=True)


class VerifyRequest(RequestSchema):
    factory = VerificationData

    otp = CodeField(required=True)
    verification_id = VerificationIdField(VERIFICATION_ID_DESCRIPTION)
    email = EmailField()

    @validates_schema
    def validate_one_identifier(self, data: Mapping[str, object], **_kwargs: object) -> None:
        if "verification_id" in data and "email" in data:
            raise ValidationError("Send verification_id or email, not both.", "verification_id")


class VerifyResponse(ResponseSchema):
    message = message_field("Verification Successful! Login to your account")


class ResendRequest(RequestSchema):
    factory = ResendData

    verification_id = VerificationIdField(VERIFICATION_ID_DESCRIPTION)
    email = EmailField()

    @validates_schema
    def validate_one_identifier(self, data: Mapping[str, object], **_kwargs: object) -> None:
        require_id_or_email(data, "verification_id")


class ResendResponse(ResponseSchema):
    message = message_field("If a resend is due, the code will be sent by email")
    retry_after = fields.Integer(
        required=True, metadata={"description": "Seconds until the code may be requested again."}
    )
