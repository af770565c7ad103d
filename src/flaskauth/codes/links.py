"""Links that take something back: mailed, good for 7 days, used once.

The token stands after `#`, where neither servers, logs nor mail scanners see it, and only a POST spends it.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, bindparam, delete, select, update

from flaskauth.codes.models import Link
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.ids import new_secret_id
from flaskauth.foundation.prepared import Prepared, add

UNDO = "undo"  # a change of address
DISOWN = "disown"  # a sign-in
LIFE = timedelta(days=7)
KEPT = timedelta(days=7)

KEEPER = Prepared(
    select(Link.user_id)
    .where(
        Link.address == bindparam("address"),
        Link.purpose == bindparam("purpose"),
        Link.used_at.is_(None),
        Link.expires_at > bindparam("now"),
    )
    .limit(1)
)


def issue(
    purpose: str, user_id: int, *, session_id: int | None = None, email: str | None = None, address: str | None = None
) -> Link:
    """A new link; its token is the mail's alone."""
    now = clock.now()
    row = Link(
        id=new_secret_id(),
        purpose=purpose,
        user_id=user_id,
        session_id=session_id,
        email=email,
        address=address,
        nonce=crypto.random_bytes(32),
        created_at=now,
        expires_at=now + LIFE,
    )
    row.digest = _digest(_candidates(row)[0])
    add(row)
    return row


def spend(purpose: str, token: str) -> Link | None:
    """The link of this token, used up by this call; None where it is not good, or no longer."""
    good = (Link.digest == _digest(token), Link.purpose == purpose, Link.used_at.is_(None))
    spent = update(Link).where(*good, Link.expires_at > clock.now())
    if not changed(spent.values(used_at=clock.now())):
        return None
    return db.session.scalars(select(Link).where(Link.digest == _digest(token))).one()


def end_since(purpose: str, since: Link) -> None:
    """End this person's links of one purpose that were made after another."""
    later = update(Link).where(Link.user_id == since.user_id, Link.purpose == purpose, Link.used_at.is_(None))
    changed(later.where(Link.created_at > since.created_at).values(used_at=clock.now()))


def ids(user_id: int) -> Select[bytes]:
    """The ids of every link that this person was mailed."""
    return select(Link.id).where(Link.user_id == user_id)


def forget(user_id: int) -> None:
    """Delete every link of a person."""
    changed(delete(Link).where(Link.user_id == user_id))


def keeper(purpose: str, address: str) -> int | None:
    """Whose the address is to be again, if a live link of this purpose is spent."""
    row = KEEPER.first(address=address, purpose=purpose, now=clock.now())
    return row.user_id if row else None


def kept(purpose: str, addresses: Sequence[str]) -> frozenset[str]:
    """Those of the addresses that somebody is to have again, if a live link of this purpose is spent."""
    live = select(Link.address).where(Link.address.in_(addresses), Link.purpose == purpose, Link.used_at.is_(None))
    return frozenset(filter(None, db.session.scalars(live.where(Link.expires_at > clock.now()))))


def reveal(link_id: bytes) -> str | None:
    """The link as it is mailed, or None once it is used or over."""
    row = db.session.get(Link, link_id)
    return _url(row) if row and row.is_live else None


def shown(link_id: bytes) -> str:
    """The link that a mail carried, good or not; "" once the row is gone."""
    row = db.session.get(Link, link_id)
    return _url(row) if row else ""


def purge() -> int:
    """Delete links a week after their end, some at a time; how many went."""
    return delete_some(Link.id, Link.expires_at < clock.now() - KEPT)


def _url(row: Link) -> str:
    token = next((token for token in _candidates(row) if _digest(token) == row.digest), "")
    return f"{settings().public_url}/auth/{row.purpose}#{token}"


def _candidates(row: Link) -> list[str]:
    """The token under the secret in use, then under each fallback (it may have been made before the change)."""
    return [crypto.encode(raw) for raw in crypto.macs("link token", row.purpose, row.id, row.nonce)]


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
