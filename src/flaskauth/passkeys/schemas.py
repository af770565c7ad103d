"""Request and response bodies of passkeys, and their fields in other packages."""

from typing import Any

from marshmallow import validate

from flaskauth.core.http.schemas import (
    RequestSchema,
    ResponseSchema,
    Schema,
    StrictBoolean,
    StrictString,
    fields,
    message_field,
)
from flaskauth.mfa.schemas import PasskeySchema, factor_name_field
from flaskauth.passkeys.options import PASSKEY, SECURITY_KEY
from flaskauth.passkeys.service import RegistrationData

EXAMPLE_CREDENTIAL = {
    "id": "q83vEjRWeJCrze8SNFZ4kA",
    "rawId": "q83vEjRWeJCrze8SNFZ4kA",
    "type": "public-key",
    "clientExtensionResults": {},
}
EXAMPLE_ASSERTION = {
    **EXAMPLE_CREDENTIAL,
    "response": {"clientDataJSON": "...", "authenticatorData": "...", "signature": "...", "userHandle": "..."},
}
EXAMPLE_REGISTRATION = {
    **EXAMPLE_CREDENTIAL,
    "response": {"clientDataJSON": "...", "attestationObject": "...", "transports": ["internal"]},
}


class CredentialField(fields.Dict):
    """The JSON form of a `PublicKeyCredential` (WebAuthn section 5.1), which the ceremony parses."""

    def __init__(self, example: object = EXAMPLE_ASSERTION, **kwargs: Any) -> None:
        super().__init__(
            keys=fields.String(),
            metadata={"example": example, "description": "What `toJSON()` of a `PublicKeyCredential` returns"},
            **kwargs,
        )


class OptionsResponse(ResponseSchema):
    message = message_field("Passkey options")
    options = fields.Dict(required=True, metadata={"description": "Options in the JSON form of WebAuthn Level 3"})


class CreationOptionsRequest(RequestSchema):
    kind = StrictString(
        required=True,
        validate=validate.OneOf([PASSKEY, SECURITY_KEY], error="Must be passkey or security_key."),
        metadata={"example": "passkey", "description": "`passkey` can sign in; `security_key` is a second factor only"},
    )


class RegistrationRequest(RequestSchema):
    factory = RegistrationData

    credential = CredentialField(EXAMPLE_REGISTRATION, required=True)
    name = factor_name_field()
    enable_mfa = StrictBoolean(
        metadata={"description": "Require a second factor at each sign-in with a password from now on"},
    )


class PasskeyResponse(ResponseSchema):
    message = message_field("Passkey")
    passkey = fields.Nested(PasskeySchema, required=True)


class RegistrationResponse(PasskeyResponse):
    message = message_field("Passkey or security key added")
    recovery_codes = fields.List(
        fields.String(), required=True, allow_none=True, metadata={"description": "Null unless it is the first factor"}
    )


class RelatedOriginsResponse(Schema):
    origins = fields.List(fields.String(), required=True)


class PasskeyEndpointsResponse(Schema):
    enroll = fields.Url(metadata={"description": "The page where users add a passkey"})
    manage = fields.Url(metadata={"description": "The page where users rename and remove passkeys"})
