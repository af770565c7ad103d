"""When sessions of a user began, and which of them were sign-ins from a new device and network."""

from datetime import datetime

from sqlalchemy import select

from flaskauth.core.db.session import db
from flaskauth.sessions.models import Session


def by_new_clients(user_id: int, since: datetime) -> list[datetime]:
    """Return when the sessions began since a time whose device, network and user agent the user had not used before.

    These are the sign-ins that a mail reported to the user.
    """
    columns = Session.device_id, Session.network, Session.user_agent, Session.created_at
    rows = db.session.execute(select(*columns).where(Session.user_id == user_id).order_by(Session.created_at)).all()
    seen_devices: set[int | None] = set()
    seen_clients: set[tuple[str, str]] = set()
    starts = []
    for device_id, network, agent, created_at in rows:
        is_new = device_id not in seen_devices and (network, agent) not in seen_clients
        if seen_devices and is_new and created_at >= since:
            starts.append(created_at)
        seen_devices.add(device_id)
        seen_clients.add((network, agent))
    return starts


def get(session_id: int | None) -> datetime | None:
    """Return when a session began, or None if it is deleted."""
    return db.session.scalar(select(Session.created_at).where(Session.id == session_id))
