"""Everything that is held about a person, as the export says it. What opens a door has no field here."""

from flaskauth.accounts.schemas import UserSchema
from flaskauth.foundation.schemas import Reply, Schema, Time, fields, sentence
from flaskauth.profile.schemas import EventSchema


class PersonSchema(UserSchema):
    address = fields.String(required=True, metadata={"description": "The email address as it is compared"})
    locale = fields.String(required=True)
    signed_in_at = Time(required=True, allow_none=True)
    disabled_at = Time(required=True, allow_none=True)
    closes_at = Time(required=True, allow_none=True)


class HeldSessionSchema(Schema):
    id = fields.Integer(required=True)
    device_id = fields.Integer(required=True, allow_none=True)
    device = fields.String(required=True)
    ip = fields.String(required=True)
    network = fields.String(required=True)
    created_at = Time(required=True)
    last_used_at = Time(required=True)
    idle_ends_at = Time(required=True)
    ends_at = Time(required=True)
    ended_at = Time(required=True, allow_none=True)
    generation = fields.Integer(required=True, metadata={"description": "How many refresh tokens it had"})
    traded_at = Time(required=True, allow_none=True)


class DeviceSchema(Schema):
    id = fields.Integer(required=True)
    created_at = Time(required=True)
    last_used_at = Time(required=True)


class HeldEventSchema(EventSchema):
    request_id = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)


class HeldMailSchema(Schema):
    recipient = fields.String(required=True)
    template = fields.String(required=True)
    locale = fields.String(required=True)
    state = fields.String(required=True)
    tries = fields.Integer(required=True)
    created_at = Time(required=True)
    sent_at = Time(required=True, allow_none=True)
    expires_at = Time(required=True)
    last_error = fields.String(required=True, allow_none=True)


class AddressChangeSchema(Schema):
    email = fields.String(required=True)
    created_at = Time(required=True)


class CodeSchema(Schema):
    purpose = fields.String(required=True)
    network = fields.String(required=True)
    tries = fields.Integer(required=True)
    mails = fields.Integer(required=True)
    created_at = Time(required=True)
    expires_at = Time(required=True)
    ends_at = Time(required=True)
    used_at = Time(required=True, allow_none=True)


class LinkSchema(Schema):
    purpose = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    session_id = fields.Integer(required=True, allow_none=True)
    created_at = Time(required=True)
    expires_at = Time(required=True)
    used_at = Time(required=True, allow_none=True)


class AccountReply(Reply):
    message = sentence("Everything held about you")
    profile = fields.Nested(PersonSchema, required=True)
    sessions = fields.List(fields.Nested(HeldSessionSchema), required=True)
    devices = fields.List(fields.Nested(DeviceSchema), required=True)
    events = fields.List(fields.Nested(HeldEventSchema), required=True)
    mails = fields.List(fields.Nested(HeldMailSchema), required=True)
    address_changes = fields.List(fields.Nested(AddressChangeSchema), required=True)
    codes = fields.List(fields.Nested(CodeSchema), required=True)
    links = fields.List(fields.Nested(LinkSchema), required=True)
