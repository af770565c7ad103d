"""Response schemas of the data export. Credentials (hashes, nonces, MACs) have no field here."""

from flaskauth.accounts.schemas import UserSchema
from flaskauth.core.http.schemas import ResponseSchema, Schema, UTCTimestamp, fields, message_field
from flaskauth.profile.schemas import EventSchema


class ExportedUserSchema(UserSchema):
    normalized_email = fields.String(
        required=True, metadata={"description": "The normalized form, which is used for comparison"}
    )
    locale = fields.String(required=True)
    last_login_at = UTCTimestamp(required=True, allow_none=True)
    disabled_at = UTCTimestamp(required=True, allow_none=True)
    deletion_due_at = UTCTimestamp(required=True, allow_none=True)
    mfa_enabled = fields.Boolean(required=True)
    mfa_required = fields.Boolean(required=True)
    reset_required = fields.Boolean(required=True)


class ExportedSessionSchema(Schema):
    id = fields.Integer(required=True)
    device_id = fields.Integer(required=True, allow_none=True)
    user_agent = fields.String(required=True)
    ip = fields.String(required=True)
    network = fields.String(required=True)
    created_at = UTCTimestamp(required=True)
    last_used_at = UTCTimestamp(required=True)
    idle_expires_at = UTCTimestamp(required=True)
    expires_at = UTCTimestamp(required=True)
    revoked_at = UTCTimestamp(required=True, allow_none=True)
    generation = fields.Integer(
        required=True, metadata={"description": "Number of refresh tokens issued in this session"}
    )
    rotated_at = UTCTimestamp(required=True, allow_none=True)
    amr = fields.String(required=True, metadata={"description": "Authentication methods (RFC 8176)"})


class ExportedDeviceSchema(Schema):
    id = fields.Integer(required=True)
    created_at = UTCTimestamp(required=True)
    last_used_at = UTCTimestamp(required=True)
    remembered_until = UTCTimestamp(required=True, allow_none=True)


class ExportedTotpSchema(Schema):
    name = fields.String(required=True)
    created_at = UTCTimestamp(required=True)
    expires_at = UTCTimestamp(required=True, allow_none=True)
    confirmed_at = UTCTimestamp(required=True, allow_none=True)
    last_used_at = UTCTimestamp(required=True, allow_none=True)
    removed_at = UTCTimestamp(required=True, allow_none=True)


class ExportedPasskeySchema(Schema):
    name = fields.String(required=True)
    created_at = UTCTimestamp(required=True)
    last_used_at = UTCTimestamp(required=True, allow_none=True)
    removed_at = UTCTimestamp(required=True, allow_none=True)


class ExportedRecoveryCodeSchema(Schema):
    created_at = UTCTimestamp(required=True)
    used_at = UTCTimestamp(required=True, allow_none=True)
    removed_at = UTCTimestamp(required=True, allow_none=True)


class ExportedLoginChallengeSchema(Schema):
    network = fields.String(required=True)
    created_at = UTCTimestamp(required=True)
    expires_at = UTCTimestamp(required=True)
    used_at = UTCTimestamp(required=True, allow_none=True)


class ExportedFactorResetSchema(Schema):
    network = fields.String(required=True)
    requested_at = UTCTimestamp(required=True)
    due_at = UTCTimestamp(required=True, allow_none=True)


class ExportedEventSchema(EventSchema):
    request_id = fields.String(required=True, allow_none=True)
    details = fields.Dict(required=True)


class ExportedMailSchema(Schema):
    recipient = fields.String(required=True)
    template = fields.String(required=True)
    locale = fields.String(required=True)
    state = fields.String(required=True)
    attempts = fields.Integer(required=True)
    created_at = UTCTimestamp(required=True)
    sent_at = UTCTimestamp(required=True, allow_none=True)
    expires_at = UTCTimestamp(required=True)
    last_error = fields.String(required=True, allow_none=True)


class ExportedEmailChangeSchema(Schema):
    email = fields.String(required=True)
    created_at = UTCTimestamp(required=True)


class ExportedCodeSchema(Schema):
    purpose = fields.String(required=True)
    network = fields.String(required=True)
    attempts = fields.Integer(required=True)
    mails_sent = fields.Integer(required=True)
    created_at = UTCTimestamp(required=True)
    code_expires_at = UTCTimestamp(required=True)
    request_expires_at = UTCTimestamp(required=True)
    used_at = UTCTimestamp(required=True, allow_none=True)


class ExportedLinkSchema(Schema):
    purpose = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    session_id = fields.Integer(required=True, allow_none=True)
    created_at = UTCTimestamp(required=True)
    expires_at = UTCTimestamp(required=True)
    used_at = UTCTimestamp(required=True, allow_none=True)


class AccountExportResponse(ResponseSchema):
    message = message_field("Account Data")
    profile = fields.Nested(ExportedUserSchema, required=True)
    sessions = fields.List(fields.Nested(ExportedSessionSchema), required=True)
    devices = fields.List(fields.Nested(ExportedDeviceSchema), required=True)
    totp_factors = fields.List(fields.Nested(ExportedTotpSchema), required=True)
    passkeys = fields.List(fields.Nested(ExportedPasskeySchema), required=True)
    recovery_codes = fields.List(fields.Nested(ExportedRecoveryCodeSchema), required=True)
    login_challenges = fields.List(fields.Nested(ExportedLoginChallengeSchema), required=True)
    factor_resets = fields.List(fields.Nested(ExportedFactorResetSchema), required=True)
    events = fields.List(fields.Nested(ExportedEventSchema), required=True)
    mails = fields.List(fields.Nested(ExportedMailSchema), required=True)
    email_changes = fields.List(fields.Nested(ExportedEmailChangeSchema), required=True)
    codes = fields.List(fields.Nested(ExportedCodeSchema), required=True)
    links = fields.List(fields.Nested(ExportedLinkSchema), required=True)
