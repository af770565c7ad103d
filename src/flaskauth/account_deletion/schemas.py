"""Response schemas."""

from flaskauth.core.http.schemas import ResponseSchema, UTCTimestamp, message_field


class DeletionScheduledResponse(ResponseSchema):
    message = message_field("Your account will be deleted")
    deletion_due_at = UTCTimestamp(
        required=True, metadata={"description": "When the account is erased, unless the deletion is cancelled"}
    )


class AccountRestoredResponse(ResponseSchema):
    message = message_field("Your account is restored")
