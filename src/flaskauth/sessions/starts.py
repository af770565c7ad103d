"""When sessions of a user began, and from which clients."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from flaskauth.core.db.session import db
from flaskauth.sessions.models import Session


class SessionStart(NamedTuple):
    """When and from which client a session began."""

    id: int
    device_id: int | None
    network: str
    user_agent: str
    created_at: datetime

    def is_near(self, other: "SessionStart") -> bool:
        """Return True if both sessions began on the same device or in the same network."""
        return self.device_id == other.device_id or self.network == other.network


def of_user(user_id: int) -> list[SessionStart]:
    """Return the starts of the user's sessions, also of ended ones, the oldest first."""
    columns = [getattr(Session, name) for name in SessionStart._fields]
    rows = db.session.execute(select(*columns).where(Session.user_id == user_id).order_by(Session.created_at))
    return [SessionStart(*row) for row in rows]


def from_new_clients(starts: Iterable[SessionStart], since: datetime, *, is_new_user: bool) -> set[int]:
    """Return the sessions since a time whose device, and network with this user agent, were not used before it.

    The client of the first session of a user who has registered since is known.
    """
    ordered = list(starts)
    known = [start for start in ordered if start.created_at < since] or (ordered[:1] if is_new_user else [])
    devices = {start.device_id for start in known}
    clients = {(start.network, start.user_agent) for start in known}
    return {
        start.id
        for start in ordered
        if start.created_at >= since
        and start.device_id not in devices
        and (start.network, start.user_agent) not in clients
    }
