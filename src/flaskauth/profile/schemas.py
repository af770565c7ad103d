"""What the profile hears and says."""

from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts.schemas import LocaleField, NameField, UserSchema, country_code
from flaskauth.foundation.schemas import Digits, Form, Reply, Schema, Time, Whole, fields, sentence, validates_schema


class ProfileReply(Reply):
    message = sentence("Profile Details")
    user = fields.Nested(UserSchema, required=True)


class EditRequest(Form):
    first_name = NameField("Grace")
    last_name = NameField("Hopper")
    country_id = Whole(metadata={"example": 566, "description": "ISO 3166-1 number"})
    country = country_code()
    locale = LocaleField()

    @validates_schema
    def name_one_country(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if "country_id" in data and "country" in data:
            raise ValidationError("Send country_id or country, not both.", "country_id")


class EditReply(Reply):
    message = sentence("Profile Updated")
    user = fields.Nested(UserSchema, required=True)


class ActivityQuery(Form):
    cursor = Digits(metadata={"description": "`next` of the page before"})
    limit = Digits(least=1, most=100, load_default=20, metadata={"description": "How many events"})


class EventSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    at = Time(required=True)
    ip = fields.String(required=True, allow_none=True)
    device = fields.String(required=True, allow_none=True)
    session_id = fields.Integer(required=True, allow_none=True)


class ActivityReply(Reply):
    message = sentence("Activity")
    events = fields.List(fields.Nested(EventSchema), required=True)
    next = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The cursor of the next page; null on the last"}
    )
