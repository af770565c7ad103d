"""What the profile hears and says."""

from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts.schemas import LocaleField, NameField, UserSchema, country_code
from flaskauth.foundation.schemas import Form, Reply, Whole, fields, sentence, validates_schema


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
