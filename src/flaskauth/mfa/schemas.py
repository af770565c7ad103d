"""Request and response bodies of the user's factors."""

from flaskauth.accounts.schemas import NameField
from flaskauth.core.http.schemas import (
    RequestSchema,
    ResponseSchema,
    Schema,
    StrictBoolean,
    StrictString,
    UTCTimestamp,
    fields,
    message_field,
)
from flaskauth.mfa.passkey_providers import provider_name

MAX_NAME_LENGTH = 64


def factor_name_field() -> NameField:
    """Return the field of the name of a factor."""
    return NameField("Phone", max_length=MAX_NAME_LENGTH, required=True)


class FactorNameRequest(RequestSchema):
    name = factor_name_field()


class FactorSchema(Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    created_at = UTCTimestamp(required=True)
    last_used_at = UTCTimestamp(required=True, allow_none=True)


class PasskeySchema(FactorSchema):
    can_sign_in = fields.Boolean(
        required=True, metadata={"description": "False for a security key, and after a link has restored it"}
    )
    synced = fields.Boolean(
        required=True, attribute="backed_up", metadata={"description": "True if it is backed up by its provider"}
    )
    provider = fields.Function(
        lambda passkey: provider_name(passkey.aaguid),
        metadata={"type": ["string", "null"], "description": "Such as iCloud Keychain; null if it is unknown"},
    )


class FactorsResponse(ResponseSchema):
    message = message_field("Second factors")
    mfa_enabled = fields.Boolean(required=True, metadata={"description": "Sign-ins require a second factor"})
    required = fields.Boolean(required=True, metadata={"description": "The last factor cannot be removed"})
    enrol_by = UTCTimestamp(
        required=True, allow_none=True, metadata={"description": "When a required factor that is missing is enforced"}
    )
    totp = fields.List(fields.Nested(FactorSchema), required=True)
    passkeys = fields.List(fields.Nested(PasskeySchema), required=True)
    recovery_codes_left = fields.Integer(required=True)
    remembered_devices = fields.Integer(
        required=True, metadata={"description": "Devices that replace the second factor after a password"}
    )


class EnrolmentResponse(ResponseSchema):
    message = message_field("Scan the QR code with an authenticator app, then confirm a code of the app")
    id = fields.Integer(required=True)
    secret = fields.String(required=True, metadata={"description": "Base32, to enter by hand"})
    uri = fields.String(required=True, metadata={"description": "otpauth URI, for an app on the same device"})
    qr_svg = fields.String(required=True, metadata={"description": "The URI as a QR code, an SVG element"})
    expires_at = UTCTimestamp(required=True, metadata={"description": "When it can no longer be confirmed"})


class ConfirmRequest(RequestSchema):
    otp = StrictString(
        required=True, max_length=64, metadata={"example": "492039", "description": "6 digits; spaces are ignored"}
    )


class ConfirmResponse(ResponseSchema):
    message = message_field("Authenticator app added")
    recovery_codes = fields.List(
        fields.String(),
        required=True,
        allow_none=True,
        metadata={"description": "Shown only now, with the first factor; otherwise null"},
    )


class FactorChangedResponse(ResponseSchema):
    message = message_field("Second factors changed")


class RecoveryCodesResponse(ResponseSchema):
    message = message_field("New recovery codes created; the previous ones are invalid")
    recovery_codes = fields.List(fields.String(), required=True, metadata={"description": "Shown only now"})


class MfaRequest(RequestSchema):
    enabled = StrictBoolean(
        required=True, metadata={"example": True, "description": "Require a second factor at every sign-in"}
    )
