"""Request and response schemas."""

from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, StrictString, message_field


class TokenRequest(RequestSchema):
    token = StrictString(
        required=True,
        metadata={
            "example": "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
            "description": "The part of the link after #",
        },
    )


class AccountSecuredResponse(ResponseSchema):
    message = message_field("Your account is secured. Set a new password now: POST /auth/forgot-password")


class FactorResetCancelledResponse(ResponseSchema):
    message = message_field("Your second factors are kept. Change your password now: POST /auth/change-password")
