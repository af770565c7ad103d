"""Request and response schemas."""

from typing import ClassVar

from flaskauth.accounts.schemas import UserSchema
from flaskauth.avatars import images
from flaskauth.core.http.schemas import ResponseSchema, fields, message_field
from flaskauth.core.http.uploads import FileField, UploadSchema
from flaskauth.core.translations import Text


class AvatarRequest(UploadSchema):
    max_bytes: ClassVar[int] = images.MAX_FILE_SIZE

    avatar = FileField(
        required=True,
        error_messages={"required": Text("{field} is required!", field="avatar")},
        metadata={"description": "PNG, JPEG or WebP; at most 5 MB and 25 megapixels"},
    )


class AvatarResponse(ResponseSchema):
    message = message_field("Avatar Updated")
    user = fields.Nested(UserSchema, required=True)


class AvatarRemovedResponse(ResponseSchema):
    message = message_field("Avatar Removed")
    user = fields.Nested(UserSchema, required=True)
