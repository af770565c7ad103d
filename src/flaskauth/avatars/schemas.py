"""What the calls on pictures hear and say."""

from typing import ClassVar

from flaskauth.accounts.schemas import UserSchema
from flaskauth.avatars import pictures
from flaskauth.foundation.schemas import Reply, fields, sentence
from flaskauth.foundation.uploads import File, Upload


class AvatarRequest(Upload):
    largest: ClassVar[int] = pictures.LARGEST

    avatar = File(
        required=True,
        error_messages={"required": "avatar is required!"},
        metadata={"description": "PNG, JPEG or WebP; at most 5 MB and 25 megapixels"},
    )


class AvatarReply(Reply):
    message = sentence("Picture Updated")
    user = fields.Nested(UserSchema, required=True)


class AvatarRemovedReply(Reply):
    message = sentence("Picture Removed")
    user = fields.Nested(UserSchema, required=True)
