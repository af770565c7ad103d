"""What the calls that take something back hear and say."""

from flaskauth.foundation.schemas import Form, Reply, Text, sentence


class TokenRequest(Form):
    token = Text(
        required=True,
        metadata={
            "example": "q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
            "description": "What stands after # in the link",
        },
    )


class TakenBackReply(Reply):
    message = sentence("Your account is yours again. Set a new password now: POST /auth/forgot-password")
