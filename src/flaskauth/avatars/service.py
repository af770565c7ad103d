"""Put a picture up, take it down, find it; and delete the files that nobody has."""

from datetime import timedelta
from typing import IO

import structlog

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.avatars import pictures
from flaskauth.avatars.storage import Stored, storage
from flaskauth.foundation import clock
from flaskauth.foundation.db import after_commit, at_once, transaction
from flaskauth.foundation.errors import Later, NotFound, TooManyRequests
from flaskauth.keys.tokens import InvalidToken
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance, Spending

UPLOADS = Allowance(30, timedelta(hours=1))
ORPHANED_AFTER = timedelta(hours=1)  # by then whoever stored it has said whose it is, or never will

log = structlog.get_logger(__name__)


def replace(user: User, file: IO[bytes]) -> User:
    """The person with the picture in this file; the one before is deleted. Of several at once the last one stays.

    Raises:
        NotAPicture, TooManyRequests, Overloaded, Unavailable
    """
    user_id, seen = user.id, user.avatar
    spent = at_once(_count, user_id)
    try:
        name = at_once(_keep, file)
    except Later:
        throttles.give_back(spent)
        raise
    shown = _show(user_id, seen, name)
    audit.record("avatar_changed", user_id=user_id)
    return shown


def remove(user: User) -> User:
    """The person without a picture."""
    if user.avatar is None:
        return user
    bare = _show(user.id, user.avatar, None)
    audit.record("avatar_removed", user_id=bare.id)
    return bare


def find(name: str) -> Stored:
    """The picture of this name.

    Raises:
        NotFound, Overloaded, Unavailable
    """
    found = storage().get(name)
    if found is None:
        raise NotFound
    return found


def drop(name: str) -> None:
    """Delete a picture's file once the transaction is safe; where that fails the purge does it later."""
    after_commit(lambda: _delete(name))


def purge() -> None:
    """Delete the files that nobody has: of uploads that came to no end, and of storage that was away."""
    for names in storage().older_than(clock.now() - ORPHANED_AFTER):
        storage().delete(transaction(lambda names=names: set(names) - accounts.avatars_in_use(names)))  # type: ignore[misc]


def _count(user_id: int) -> Spending:
    spent = throttles.spend(throttles.key_of("avatar", user_id), UPLOADS)
    if not spent.granted:
        raise TooManyRequests(retry_after=spent.retry_after)
    return spent


def _keep(file: IO[bytes]) -> str:
    """The name under which it is kept now. By `at_once`: no transaction is open, and one run again keeps no second."""
    return storage().put(pictures.made_of(file))


def _show(user_id: int, seen: str | None, name: str | None) -> User:
    """Whoever was overtaken looks again and replaces what is there now: each file is deleted by who replaced it."""
    while not accounts.change_avatar(user_id, seen, name):
        seen = _held(user_id).avatar
    if seen:
        drop(seen)
    return _held(user_id)


def _held(user_id: int) -> User:
    user = accounts.held(user_id)
    if user is None:
        raise InvalidToken  # erased meanwhile
    return user


def _delete(name: str) -> None:
    try:
        storage().delete([name])
    except Later:
        log.warning("picture_left", name=name)
