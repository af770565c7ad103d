"""Look at a person, keep one out, let one in again."""

from dataclasses import dataclass

from sqlalchemy import update

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.addresses import Address
from flaskauth.accounts.models import User
from flaskauth.codes import service as codes
from flaskauth.foundation import clock, foreign_hashes
from flaskauth.foundation.db import changed
from flaskauth.sessions import service as sessions

RESET = "reset"
UNKNOWN = "unknown: opens nothing"
NO_PASSWORD = "none: opens by a reset"  # noqa: S105


class Nobody(LookupError):
    """Nobody has this address."""


@dataclass(frozen=True)
class About:
    """A person as operators see one: never a hash."""

    user: User
    sessions: int
    hash_kind: str


def about(address: Address) -> About:
    """What there is to know of a person.

    Raises:
        Nobody
    """
    user = _find(address)
    stored = user.password
    kind = (foreign_hashes.name(stored) or UNKNOWN) if stored else NO_PASSWORD
    return About(user, len(sessions.live(user.id)), kind)


def disable(address: Address) -> bool:
    """Keep somebody out from now on, whatever they have open; whether they were let in until now.

    Raises:
        Nobody
    """
    user = _find(address)
    let_in = update(User).where(User.id == user.id, User.disabled_at.is_(None))
    if not changed(let_in.values(disabled_at=clock.now())):
        return False
    # Also what a sign-in left that came first; one that comes later finds the person disabled.
    ended = sessions.end_all(user.id)
    codes.end_all(RESET, user.address)
    accounts.end_address_changes(user.id)
    audit.record("account_disabled", user_id=user.id, ended=ended)
    return True


def enable(address: Address) -> bool:
    """Let somebody in again, by a new sign-in; whether they were kept out until now.

    Raises:
        Nobody
    """
    user = _find(address)
    kept_out = update(User).where(User.id == user.id, User.disabled_at.is_not(None))
    if not changed(kept_out.values(disabled_at=None)):
        return False
    audit.record("account_enabled", user_id=user.id)
    return True


def _find(address: Address) -> User:
    user = accounts.find(address.key)
    if user is None:
        raise Nobody
    return user
