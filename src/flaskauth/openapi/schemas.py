"""Response schemas of / and /hello."""

from flaskauth.core.http.schemas import ResponseSchema, Schema, fields, message_field


class WelcomeResponse(ResponseSchema):
    message = fields.Raw(required=True, metadata={"type": "string", "example": "Welcome to flaskauth"})
    docs = fields.Url(required=True, metadata={"description": "Page that can call every route"})
    openapi = fields.Url(required=True, metadata={"description": "OpenAPI document"})
    jwks = fields.Url(required=True, metadata={"description": "Public keys that verify access tokens"})
    mailbox = fields.Url(
        required=True, allow_none=True, metadata={"description": "Development mailbox; null in production"}
    )
    version = fields.String(required=True, metadata={"example": "0.1.0"})


class HelloResponse(Schema):
    message = message_field("Hello It Works")
