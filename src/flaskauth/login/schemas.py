"""Request and response bodies of login and reauthentication."""

from collections.abc import Mapping

from marshmallow import ValidationError, post_dump

from flaskauth.accounts.schemas import EmailField, PasswordField, UserSchema
from flaskauth.core.http.schemas import (
    RequestSchema,
    ResponseSchema,
    StrictBoolean,
    StrictString,
    UTCTimestamp,
    fields,
    message_field,
    validates_schema,
)
from flaskauth.core.translations import Text
from flaskauth.login.email_code import EmailSignInData
from flaskauth.login.mailed_codes import MailedCodeRequest
from flaskauth.login.passkey import PasskeyLoginData
from flaskauth.login.reauthentication import ReauthenticationData
from flaskauth.login.second_factor import SecondFactorData
from flaskauth.login.service import LoginData
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField, require_id_or_email
from flaskauth.passkeys.schemas import EXAMPLE_ASSERTION, CredentialField

EXAMPLE_FACTORS = {"otp": "492039", "recovery_code": "BCDF-GHJK-MNPQ-RSTV", "passkey": EXAMPLE_ASSERTION}
EXAMPLE_PASSWORD = "seven green kettles"  # noqa: S105
SIGN_IN_ID_DESCRIPTION = "Identifies this sign-in"


def device_token_field() -> StrictString:
    """Return the field of a device token."""
    return StrictString(
        metadata={
            "description": "From an earlier sign-in on this device. Prevents attackers from locking the user out."
        }
    )


class LoginRequest(RequestSchema):
    factory = LoginData

    email = EmailField(required=True)
    password = PasswordField(required=True)
    device_token = device_token_field()


class LoginResponse(ResponseSchema):
    message = message_field("Login Successful, Welcome Back")
    token = fields.String(required=True, metadata={"description": "The access token, a JWT"})
    refresh_token = fields.String(required=True, metadata={"description": "Single-use token for POST /auth/refresh"})
    expired_at = UTCTimestamp(
        required=True, metadata={"description": "When the refresh token expires unless it is used."}
    )
    device_token = fields.String(
        required=True, metadata={"description": "Send it with the next sign-in from this device."}
    )
    user = fields.Nested(UserSchema, required=True)
    enrol_by = UTCTimestamp(
        metadata={"description": "Only if a required second factor is missing: when other operations are rejected"}
    )
    mfa_enrolment_required = fields.Boolean(
        metadata={
            "description": "Only if true: a required second factor is missing. Other operations are rejected with"
            " `mfa_enrolment_required` until the user adds one."
        }
    )

    @post_dump
    def remove_absent_requirement(self, body: dict[str, object], **_kwargs: object) -> dict[str, object]:
        optional = {"enrol_by", "mfa_enrolment_required"}
        return {name: value for name, value in body.items() if value or name not in optional}


class PasskeyLoginRequest(RequestSchema):
    factory = PasskeyLoginData

    credential = CredentialField(required=True)
    device_token = device_token_field()


class MailCodeRequest(RequestSchema):
    factory = MailedCodeRequest

    email = EmailField(required=True)
    device_token = device_token_field()


class EmailCodeResponse(ResponseSchema):
    message = message_field("If this email address has an account, a sign-in code will be sent")
    sign_in_id = VerificationIdField(SIGN_IN_ID_DESCRIPTION, required=True)


class EmailSignInRequest(RequestSchema):
    factory = EmailSignInData

    otp = CodeField(required=True)
    sign_in_id = VerificationIdField(SIGN_IN_ID_DESCRIPTION)
    email = EmailField()
    device_token = device_token_field()

    @validates_schema
    def validate_one_identifier(self, data: Mapping[str, object], **_kwargs: object) -> None:
        require_id_or_email(data, "sign_in_id")


def otp_field() -> StrictString:
    """Return the field of a code of an authenticator app. A malformed one is a wrong code and counts as an attempt."""
    return StrictString(
        max_length=64, metadata={"example": "492039", "description": "6 digits of the app; spaces are ignored"}
    )


def recovery_code_field() -> StrictString:
    """Return the field of a recovery code. A malformed one is a wrong code and counts as an attempt."""
    return StrictString(
        max_length=64,
        metadata={"example": "BCDF-GHJK-MNPQ-RSTV", "description": "Not case-sensitive; spaces and dashes are ignored"},
    )


class SecondFactorRequest(RequestSchema):
    factory = SecondFactorData

    challenge_token = StrictString(required=True, metadata={"description": "From the error of the first step"})
    otp = otp_field()
    recovery_code = recovery_code_field()
    passkey = CredentialField()
    remember_device = StrictBoolean(
        metadata={"description": "Do not ask for a second factor on this device for REMEMBER_DEVICE_DAYS."}
    )
    device_token = device_token_field()

    @validates_schema
    def validate_one_factor(self, data: Mapping[str, object], **_kwargs: object) -> None:
        if count_factors(data) != 1:
            raise ValidationError("Send exactly one second factor.", "body")


class SecondFactorResponse(LoginResponse):
    remembered_until = UTCTimestamp(
        required=True, allow_none=True, metadata={"description": "Until when the device replaces the second factor"}
    )
    recovery_codes_left = fields.Integer(required=True)


class ReauthenticateRequest(RequestSchema):
    factory = ReauthenticationData

    password = PasswordField()
    otp = otp_field()
    recovery_code = recovery_code_field()
    passkey = CredentialField()

    @validates_schema
    def validate_one_factor(self, data: Mapping[str, object], **_kwargs: object) -> None:
        if not {"password", "passkey"} & set(data):
            raise ValidationError(Text("{field} is required!", field="password"), "password")
        if count_factors(data) > 1:
            raise ValidationError("Send at most one second factor.", "body")


class ReauthenticationOptionsResponse(ResponseSchema):
    message = message_field("Reauthentication options")
    factors = fields.List(
        fields.String(), required=True, metadata={"description": "Kinds of second factors, the best first"}
    )
    passkey = fields.Dict(
        required=True,
        allow_none=True,
        metadata={"description": "Options of a WebAuthn request; null without a passkey"},
    )


def count_factors(data: Mapping[str, object]) -> int:
    """Return the number of second factors in a body."""
    return len({"otp", "recovery_code", "passkey"} & set(data))


class ReauthenticateResponse(ResponseSchema):
    message = message_field("Identity confirmed")
    token = fields.String(required=True, metadata={"description": "An access token for sensitive operations"})
    fresh_until = UTCTimestamp(required=True, metadata={"description": "When it no longer allows sensitive operations"})


SECOND_FACTOR_EXAMPLES: dict[str, dict[str, object]] = {
    kind: {"value": {"challenge_token": "q1w2e3r4t5y6", kind: factor}} for kind, factor in EXAMPLE_FACTORS.items()
}
REAUTHENTICATION_EXAMPLES: dict[str, dict[str, object]] = {
    "password": {"value": {"password": EXAMPLE_PASSWORD}},
    **{
        f"password_and_{kind}": {"value": {"password": EXAMPLE_PASSWORD, kind: factor}}
        for kind, factor in EXAMPLE_FACTORS.items()
    },
    "passkey": {"value": {"passkey": EXAMPLE_ASSERTION}},
}
EMAIL_SIGN_IN_EXAMPLES: dict[str, dict[str, object]] = {
    "sign_in_id": {"value": {"otp": "BCDF-2345", "sign_in_id": "q83vEjRWeJCrze8SNFZ4kA"}},
    "email": {"value": {"otp": "BCDF-2345", "email": "grace@example.com"}},
}
