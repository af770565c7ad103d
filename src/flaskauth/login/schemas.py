"""Request and response bodies of login and reauthentication."""

from flaskauth.accounts.schemas import EmailField, PasswordField, UserSchema
from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, StrictString, UTCTimestamp, fields, message_field
from flaskauth.login.service import LoginData


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


class ReauthenticateRequest(RequestSchema):
    password = PasswordField(required=True)


class ReauthenticateResponse(ResponseSchema):
    message = message_field("Password confirmed")
    token = fields.String(required=True, metadata={"description": "An access token for sensitive operations"})
    fresh_until = UTCTimestamp(required=True, metadata={"description": "When it no longer allows sensitive operations"})
