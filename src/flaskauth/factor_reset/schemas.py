"""Request and response bodies of factor resets."""

from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, StrictString, UTCTimestamp, message_field
from flaskauth.factor_reset.service import FactorResetData
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField

RESET_ID_DESCRIPTION = "Identifies this removal"


class LostFactorRequest(RequestSchema):
    challenge_token = StrictString(required=True, metadata={"description": "From the response of the sign-in"})


class LostFactorResponse(ResponseSchema):
    message = message_field("If your factors can be removed, a code will be sent")
    reset_id = VerificationIdField(RESET_ID_DESCRIPTION, required=True)


class ConfirmLostFactorRequest(RequestSchema):
    factory = FactorResetData

    reset_id = VerificationIdField(RESET_ID_DESCRIPTION, required=True)
    otp = CodeField(required=True)


class ConfirmLostFactorResponse(ResponseSchema):
    message = message_field("Your second factors will be removed")
    due_at = UTCTimestamp(required=True, metadata={"description": "When the second factors are removed"})
