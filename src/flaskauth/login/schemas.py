"""Request and response bodies of login and reauthentication."""

from collections.abc import Mapping

from marshmallow import post_dump

from flaskauth.accounts.schemas import EmailField, PasswordField, UserSchema
from flaskauth.core.http.schemas import (
    RequestSchema,
    ResponseSchema,
    StrictString,
    UTCTimestamp,
    fields,
    message_field,
    validates_schema,
)
from flaskauth.login.email_code import EmailSignInData
from flaskauth.login.mailed_codes import MailedCodeRequest
from flaskauth.login.service import LoginData
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField, require_id_or_email

SIGN_IN_ID_DESCRIPTION = "Identifies this sign-in"


def device_token_field() -> StrictString:
    """Return the field of a device token."""
    return StrictString(
        metadata={
            "description": "From an earlier sign-in on this device. Prevents attackers from locking the user out."
        }
    )


class LoginRequest(RequestSchema):
    factory = LoginData

    email = EmailField(required=True)
    password = PasswordField(required=True)
    device_token = device_token_field()


class LoginResponse(ResponseSchema):
    message = message_field("Login Successful, Welcome Back")
    token = fields.String(required=True, metadata={"description": "The access token, a JWT"})
    refresh_token = fields.String(required=True, metadata={"description": "Single-use token for POST /auth/refresh"})
    expired_at = UTCTimestamp(
        required=True, metadata={"description": "When the refresh token expires unless it is used."}
    )
    device_token = fields.String(
        required=True, metadata={"description": "Send it with the next sign-in from this device."}
    )
    user = fields.Nested(UserSchema, required=True)
    enrol_by = UTCTimestamp(
        metadata={"description": "Only if a required second factor is missing: when other operations are rejected"}
    )

    @post_dump
    def remove_missing_time(self, body: dict[str, object], **_kwargs: object) -> dict[str, object]:
        return body if body.get("enrol_by") else {name: value for name, value in body.items() if name != "enrol_by"}


class MailCodeRequest(RequestSchema):
    factory = MailedCodeRequest

    email = EmailField(required=True)
    device_token = device_token_field()


class EmailCodeResponse(ResponseSchema):
    message = message_field("If this email address has an account, a sign-in code will be sent")
    sign_in_id = VerificationIdField(SIGN_IN_ID_DESCRIPTION, required=True)


class EmailSignInRequest(RequestSchema):
    factory = EmailSignInData

    otp = CodeField(required=True)
    sign_in_id = VerificationIdField(SIGN_IN_ID_DESCRIPTION)
    email = EmailField()
    device_token = device_token_field()

    @validates_schema
    def validate_one_identifier(self, data: Mapping[str, object], **_kwargs: object) -> None:
        require_id_or_email(data, "sign_in_id")


class ReauthenticateRequest(RequestSchema):
    password = PasswordField(required=True)


class ReauthenticateResponse(ResponseSchema):
    message = message_field("Password confirmed")
    token = fields.String(required=True, metadata={"description": "An access token for sensitive operations"})
    fresh_until = UTCTimestamp(required=True, metadata={"description": "When it no longer allows sensitive operations"})
