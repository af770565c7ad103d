"""What joining hears and says."""

from typing import Any

from marshmallow import ValidationError

from flaskauth.accounts.schemas import EmailField, LocaleField, NameField, PasswordField, country_code
from flaskauth.foundation import crypto
from flaskauth.foundation.schemas import Form, Reply, Text, fields, sentence, validates_schema
from flaskauth.registration.service import Joining, Proof

LONGEST_ID = 64  # characters
ID_BYTES = 16


class VerificationId(Text):
    """22 letters that stand for 128 bits; loaded, the bytes. What was not made here is an id of nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(most=LONGEST_ID, metadata={"example": "5f0mZ3u6T1yq2VxwQJ4b8A"}, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return crypto.encode(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        raw = crypto.decode(super()._deserialize(value, attr, data, **kwargs))
        return raw if len(raw) == ID_BYTES else b""


class RegisterRequest(Form):
    makes = Joining

    email = EmailField(required=True)
    password = PasswordField(required=True)
    first_name = NameField("Grace", required=True)
    last_name = NameField("Hopper", required=True)
    country = country_code()
    locale = LocaleField()


class RegisterReply(Reply):
    message = sentence("Registration Successful, check your email for OTP code to verify your account")
    verification_id = VerificationId(required=True)


class VerifyRequest(Form):
    makes = Proof

    otp = Text(required=True, most=64, metadata={"example": "BCDF-2345"})
    verification_id = VerificationId()
    email = EmailField()

    @validates_schema
    def choose_one_door(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if "verification_id" in data and "email" in data:
            raise ValidationError("Send verification_id or email, not both.", "verification_id")


class VerifyReply(Reply):
    message = sentence("Verification Successful! Login to your account")


class ResendRequest(Form):
    verification_id = VerificationId()
    email = EmailField()

    @validates_schema
    def choose_one_door(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("verification_id" in data) == ("email" in data):
            raise ValidationError("Send verification_id or email.", "verification_id")


class ResendReply(Reply):
    message = sentence("If a code is due, it is on its way")
    retry_after = fields.Integer(required=True, metadata={"description": "Seconds until it may be asked for again."})
