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


def from_new_clients(starts: Iterable[SessionStart]) -> set[int]:
    """Return the sessions whose device, and network with this user agent, the user had not used before.

    These are the sign-ins that a mail reported to the user.
    """
    seen_devices: set[int | None] = set()
    seen_clients: set[tuple[str, str]] = set()
    new = set()
    for start in starts:
        client = start.network, start.user_agent
        if seen_devices and start.device_id not in seen_devices and client not in seen_clients:
            new.add(start.id)
        seen_devices.add(start.device_id)
        seen_clients.add(client)
    return new
