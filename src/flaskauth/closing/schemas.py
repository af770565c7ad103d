"""What the calls on the end of an account say."""

from flaskauth.foundation.schemas import Reply, Time, sentence


class ClosingReply(Reply):
    message = sentence("Your account is being closed")
    closes_at = Time(required=True, metadata={"description": "When it is erased, unless it is taken back before"})


class RestoredReply(Reply):
    message = sentence("Your account stays")
