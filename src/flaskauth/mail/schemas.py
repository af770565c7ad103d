"""Response schemas of the development mailbox."""

from flaskauth.core.http.schemas import ResponseSchema, Schema, UTCTimestamp, fields, message_field


class MailboxMessageSchema(Schema):
    id = fields.Integer(required=True)
    to = fields.String(required=True, metadata={"example": "grace@example.com"})
    sender = fields.String(required=True, data_key="from")
    subject = fields.String(required=True)
    text = fields.String(required=True)
    html = fields.String(required=True)
    sent_at = UTCTimestamp(required=True)
    message_id = fields.String(required=True)


class MailboxResponse(ResponseSchema):
    message = message_field("Mailbox")
    mails = fields.List(fields.Nested(MailboxMessageSchema), required=True)
