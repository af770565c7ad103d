"""The shapes of the mailbox."""

from flaskauth.foundation.schemas import Reply, Schema, Time, fields, sentence


class LetterSchema(Schema):
    id = fields.Integer(required=True)
    to = fields.String(required=True, metadata={"example": "grace@example.com"})
    sender = fields.String(required=True, data_key="from")
    subject = fields.String(required=True)
    text = fields.String(required=True)
    html = fields.String(required=True)
    sent_at = Time(required=True)
    message_id = fields.String(required=True)


class MailboxReply(Reply):
    message = sentence("Mailbox")
    mails = fields.List(fields.Nested(LetterSchema), required=True)
