"""What the calls on sessions hear and say."""

from flaskauth.foundation.schemas import Form, Reply, Schema, Text, Time, fields, sentence
from flaskauth.sessions import refresh_tokens

ABOUT = {
    "example": "7592083456.1.q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
    "description": "The newest of the session",
}


class RefreshRequest(Form):
    refresh_token = Text(required=True, most=refresh_tokens.LONGEST * 4, metadata=ABOUT)


class RefreshReply(Reply):
    message = sentence("Token Successfully refreshed")
    token = fields.String(required=True, metadata={"description": "The access token, a JWT"})
    refresh_token = fields.String(required=True, metadata={"description": "The next one"})
    expired_at = Time(required=True, metadata={"description": "When it ends if it is not used."})
    id = fields.Integer(required=True, metadata={"description": "The person's id."})


class LogoutRequest(Form):
    refresh_token = Text(
        most=refresh_tokens.LONGEST * 4, metadata={**ABOUT, "description": "Any of the session, instead of Bearer"}
    )


class SignedOutReply(Reply):
    message = sentence("Signed out")


class SessionSchema(Schema):
    id = fields.Integer(required=True)
    current = fields.Boolean(required=True)
    device = fields.String(required=True, metadata={"description": "Such as Firefox (Linux); may be empty"})
    ip = fields.String(required=True)
    created_at = Time(required=True)
    last_used_at = Time(required=True)
    expired_at = Time(required=True)


class SessionsReply(Reply):
    message = sentence("Sessions")
    sessions = fields.List(fields.Nested(SessionSchema), required=True)
