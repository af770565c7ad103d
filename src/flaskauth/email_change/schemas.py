"""What the calls on changes of address hear and say."""

from flaskauth.accounts.schemas import EmailField, UserSchema
from flaskauth.codes.schemas import CodeField
from flaskauth.foundation.schemas import Form, Reply, fields, sentence


class ChangeEmailRequest(Form):
    email = EmailField(required=True)


class ChangeEmailReply(Reply):
    message = sentence("A code is on its way to the new address")


class VerifyEmailRequest(Form):
    otp = CodeField(required=True)


class EmailChangedReply(Reply):
    message = sentence("Your address was changed")
    user = fields.Nested(UserSchema, required=True)
