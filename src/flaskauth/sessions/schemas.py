"""Request and response bodies of refresh, logout and session management."""

from flaskauth.core.http.schemas import (
    RequestSchema,
    ResponseSchema,
    Schema,
    StrictString,
    UTCTimestamp,
    fields,
    message_field,
)
from flaskauth.sessions import refresh_tokens

REFRESH_TOKEN_METADATA = {
    "example": "7592083456.1.q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
    "description": "The newest refresh token of the session",
}


class RefreshRequest(RequestSchema):
    refresh_token = StrictString(
        required=True, max_length=refresh_tokens.MAX_LENGTH * 4, metadata=REFRESH_TOKEN_METADATA
    )


class RefreshResponse(ResponseSchema):
    message = message_field("Token Successfully refreshed")
    token = fields.String(required=True, metadata={"description": "The access token, a JWT"})
    refresh_token = fields.String(required=True, metadata={"description": "The next refresh token"})
    expired_at = UTCTimestamp(
        required=True, metadata={"description": "When the refresh token expires unless it is used."}
    )
    id = fields.Integer(required=True, metadata={"description": "The id of the user"})


class LogoutRequest(RequestSchema):
    refresh_token = StrictString(
        max_length=refresh_tokens.MAX_LENGTH * 4,
        metadata={
            **REFRESH_TOKEN_METADATA,
            "description": "Any refresh token of the session, instead of a bearer token",
        },
    )


class LogoutResponse(ResponseSchema):
    message = message_field("Signed out")


class SessionSchema(Schema):
    id = fields.Integer(required=True)
    current = fields.Boolean(required=True)
    device = fields.String(
        required=True, metadata={"description": "Browser and system, such as Firefox (Linux); may be empty"}
    )
    ip = fields.String(required=True)
    created_at = UTCTimestamp(required=True)
    last_used_at = UTCTimestamp(required=True)
    expired_at = UTCTimestamp(required=True)


class SessionsResponse(ResponseSchema):
    message = message_field("Sessions")
    sessions = fields.List(fields.Nested(SessionSchema), required=True)
