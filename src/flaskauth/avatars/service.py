"""Set, remove and get avatars, and delete files that no user refers to."""

from datetime import timedelta
from typing import IO

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.avatars import images
from flaskauth.avatars.storage import AvatarsNotSupported, StoredImage, storage
from flaskauth.core import clock
from flaskauth.core.db.session import after_commit, commit_now, transaction
from flaskauth.core.errors import APIError, NotFound, RetryableError, TooManyRequests
from flaskauth.core.observability.log import get_logger
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit, RateLimitResult
from flaskauth.sessions.decorators import AuthContext, lock_session

UPLOAD_LIMIT = RateLimit(30, timedelta(hours=1))
ORPHAN_AGE = timedelta(hours=1)  # a request that stored a file has committed or failed by then

log = get_logger(__name__)


def set_avatar(auth: AuthContext, file: IO[bytes]) -> User:
    """Convert and store the image, set it as the user's avatar and return the user. The previous file is deleted.

    Of concurrent uploads, the last one wins.

    Raises:
        InvalidImage, TooManyRequests, Overloaded, Unavailable, AvatarsNotSupported
        InvalidToken: the session was revoked during this call.
    """
    hit = commit_now(_count_upload, auth.claims.user_id)
    try:
        name = commit_now(_store_image, file)
    except (RetryableError, AvatarsNotSupported):
        rate_limits.refund(hit)
        raise
    user = _swap_avatar(auth, name)
    audit.record("avatar_changed", user_id=user.id)
    return user


def remove_avatar(auth: AuthContext) -> User:
    """Remove the user's avatar and return the user. The file is deleted after the commit.

    Raises:
        InvalidToken: the session was revoked during this call.
    """
    if auth.user.avatar is None:
        return auth.user
    user = _swap_avatar(auth, None)
    audit.record("avatar_removed", user_id=user.id)
    return user


def get(name: str) -> StoredImage:
    """Return the image of this name.

    Raises:
        NotFound, Overloaded, Unavailable, AvatarsNotSupported
    """
    image = storage().get(name)
    if image is None:
        raise NotFound
    return image


def delete_later(name: str) -> None:
    """Delete the file after the commit. If that fails, `purge` deletes it later."""
    after_commit(lambda: _delete_file(name))


def purge() -> None:
    """Delete files that no user refers to: of failed uploads, and of deletions while the storage was unavailable."""
    for names in storage().older_than(clock.now() - ORPHAN_AGE):
        storage().delete(transaction(lambda names=names: set(names) - accounts.avatars_in_use(names)))  # type: ignore[misc]


def _count_upload(user_id: int) -> RateLimitResult:
    hit = rate_limits.hit((rate_limits.counter_key("avatar", user_id), UPLOAD_LIMIT))
    if not hit.is_allowed:
        raise TooManyRequests(retry_after=hit.retry_after)
    return hit


def _store_image(file: IO[bytes]) -> str:
    """Convert and store the image, and return its name.

    The caller uses `commit_now`, so that no transaction is open meanwhile and a retried request stores no second file.
    """
    return storage().put(images.convert_to_webp(file))


def _swap_avatar(auth: AuthContext, name: str | None) -> User:
    """Set the avatar and return the user. Each of concurrent requests deletes the file that it replaced."""
    user = lock_session(auth)
    if user.avatar:
        delete_later(user.avatar)
    return accounts.edit(user, avatar=name)


def _delete_file(name: str) -> None:
    try:
        storage().delete([name])
    except APIError:
        log.warning("orphaned_image", name=name)
