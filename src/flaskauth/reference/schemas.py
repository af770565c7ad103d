"""The shapes of the first page."""

from flaskauth.foundation.schemas import Reply, Schema, fields, sentence


class WelcomeReply(Reply):
    message = fields.String(  # the app's name stands in it
        required=True, metadata={"example": "Welcome to flaskauth"}
    )
    docs = fields.Url(required=True, metadata={"description": "A page that can try the calls"})
    openapi = fields.Url(required=True, metadata={"description": "The OpenAPI document"})
    jwks = fields.Url(required=True, metadata={"description": "The keys that verify access tokens"})
    mailbox = fields.Url(
        required=True, allow_none=True, metadata={"description": "The mail of a server in development; else null"}
    )
    version = fields.String(required=True, metadata={"example": "0.1.0"})


class HelloReply(Schema):
    message = sentence("Hello It Works")
