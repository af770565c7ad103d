"""Request and response schemas."""

from marshmallow import ValidationError

from flaskauth.accounts.schemas import LocaleField, NameField, UserSchema, country_code_field
from flaskauth.core.http.schemas import (
    QueryInteger,
    RequestSchema,
    ResponseSchema,
    Schema,
    StrictInteger,
    UTCTimestamp,
    fields,
    message_field,
    validates_schema,
)


class ProfileResponse(ResponseSchema):
    message = message_field("Profile Details")
    user = fields.Nested(UserSchema, required=True)


class EditRequest(RequestSchema):
    first_name = NameField("Grace")
    last_name = NameField("Hopper", min_length=0)
    country_id = StrictInteger(metadata={"example": 566, "description": "ISO 3166-1 number"})
    country = country_code_field()
    locale = LocaleField()

    @validates_schema
    def validate_country(self, data: dict[str, object], **_kwargs: object) -> None:
        if "country_id" in data and "country" in data:
            raise ValidationError("Send country_id or country, not both.", "country_id")


class EditResponse(ResponseSchema):
    message = message_field("Profile Updated")
    user = fields.Nested(UserSchema, required=True)


class ActivityQuery(RequestSchema):
    cursor = QueryInteger(metadata={"description": "`next` of the previous page"})
    limit = QueryInteger(minimum=1, maximum=100, load_default=20, metadata={"description": "Maximum number of events"})


class EventSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    at = UTCTimestamp(required=True)
    ip = fields.String(required=True, allow_none=True)
    device = fields.String(required=True, allow_none=True)
    session_id = fields.Integer(required=True, allow_none=True)


class ActivityResponse(ResponseSchema):
    message = message_field("Activity")
    events = fields.List(fields.Nested(EventSchema), required=True)
    next = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The cursor of the next page; null on the last"}
    )
