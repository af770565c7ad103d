"""Request and response schemas."""

from flaskauth.accounts.schemas import EmailField, UserSchema
from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, fields, message_field
from flaskauth.one_time_codes.schemas import CodeField


class ChangeEmailRequest(RequestSchema):
    email = EmailField(required=True)


class ChangeEmailResponse(ResponseSchema):
    message = message_field("A code was sent to the new email address")


class VerifyEmailRequest(RequestSchema):
    otp = CodeField(required=True)


class EmailChangedResponse(ResponseSchema):
    message = message_field("Your email address was changed")
    user = fields.Nested(UserSchema, required=True)
