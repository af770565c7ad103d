"""What sign-in hears and says."""

from flaskauth.accounts.schemas import EmailField, PasswordField, UserSchema
from flaskauth.foundation.schemas import Form, Reply, Text, Time, fields, sentence
from flaskauth.login.service import Credential


class LoginRequest(Form):
    makes = Credential

    email = EmailField(required=True)
    password = PasswordField(required=True)
    device_token = Text(
        metadata={"description": "From an earlier sign-in here; with it strangers cannot lock you out."}
    )


class LoginReply(Reply):
    message = sentence("Login Successful, Welcome Back")
    token = fields.String(required=True, metadata={"description": "The access token, a JWT"})
    refresh_token = fields.String(required=True, metadata={"description": "For POST /auth/refresh, once"})
    expired_at = Time(required=True, metadata={"description": "When the refresh token ends if it is not used."})
    device_token = fields.String(required=True, metadata={"description": "To send at the next sign-in from here"})
    user = fields.Nested(UserSchema, required=True)


class ReauthenticateRequest(Form):
    password = PasswordField(required=True)


class ReauthenticateReply(Reply):
    message = sentence("Thank you")
    token = fields.String(required=True, metadata={"description": "An access token that is fresh"})
    fresh_until = Time(required=True, metadata={"description": "When it stops being fresh"})
