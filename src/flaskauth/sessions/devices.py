"""Known devices and networks: what lets an owner in while strangers are made to wait."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, delete, exists, select, update

from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import changed, delete_some
from flaskauth.foundation.ids import new_id
from flaskauth.foundation.prepared import Prepared, add
from flaskauth.mail import budget
from flaskauth.sessions.models import Device, Session

KNOWN_DEVICE = timedelta(days=180)
KNOWN_NETWORK = timedelta(days=30)
MOST_DEVICES = 50

_OF_PERSON = Device.user_id == bindparam("user_id")
USE = Prepared(
    update(Device).where(Device.id == bindparam("device_id"), _OF_PERSON).values(last_used_at=bindparam("now"))
)
OLDEST = Prepared(
    select(Device.id).where(_OF_PERSON).order_by(Device.last_used_at.desc(), Device.id.desc()).offset(MOST_DEVICES)
)
_VISITS = select(Session.id).where(Session.user_id == bindparam("user_id"), Session.network == bindparam("network"))
_VISITED = _VISITS.where(Session.created_at > bindparam("visited_since"))
_DEVICE = select(Device.id).where(
    Device.token_digest == bindparam("digest"), _OF_PERSON, Device.last_used_at > bindparam("used_since")
)
VISITED = Prepared(_VISITED.limit(1))
KNOWN = Prepared(select(_DEVICE.scalar_subquery().label("device_id"), exists(_VISITED).label("network")))
SEEN = Prepared(_VISITS.where(Session.device == bindparam("device")).limit(1))


@dataclass(frozen=True)
class Known:
    """What is known of who asks: a device of this person, a network of this person, both or neither."""

    device_id: int | None
    network: bool

    def __bool__(self) -> bool:
        return self.device_id is not None or self.network


def known(user_id: int, network: str, device_token: str | None) -> Known:
    """What this person (0 for nobody) is known by; nobody costs the same reads."""
    now = clock.now()
    row: Any = KNOWN.first(
        user_id=user_id,
        network=network,
        digest=_digest(device_token or ""),
        used_since=now - KNOWN_DEVICE,
        visited_since=now - KNOWN_NETWORK,
    )
    return Known(row.device_id, row.network)


def is_known_network(user_id: int, network: str) -> bool:
    """Whether the person signed in from this network within 30 days."""
    return VISITED.first(user_id=user_id, network=network, visited_since=clock.now() - KNOWN_NETWORK) is not None


def is_seen(user_id: int, network: str, user_agent: str) -> bool:
    """Whether the person signed in from here by a device that calls itself the same."""
    return SEEN.first(user_id=user_id, network=network, device=user_agent) is not None


def take_mail(address: str, user_id: int, network: str) -> bool:
    """Whether one more mail may go to this address, whose person (0 for nobody) may be known where it is asked for."""
    return budget.take(address, network, is_known=is_known_network(user_id, network))


def remember(user_id: int, device_id: int | None, device_token: str | None) -> tuple[int, str]:
    """The device's id and token: the known one's, used again, or a new one's."""
    now = clock.now()
    if device_id and device_token and USE.changed(device_id=device_id, user_id=user_id, now=now):
        return device_id, device_token
    token = crypto.encode(crypto.random_bytes(32))
    made = Device(id=new_id(), user_id=user_id, token_digest=_digest(token), created_at=now, last_used_at=now)
    add(made)
    _forget_oldest(user_id)
    return made.id, token


def forget_all(user_id: int, but: int | None = None) -> None:
    """Make every device of the person unknown, but perhaps one."""
    changed(delete(Device).where(Device.user_id == user_id, Device.id != (but or 0)))


def purge() -> int:
    """Delete devices that were not used for 180 days, some at a time; how many went."""
    return delete_some(Device.id, Device.last_used_at < clock.now() - KNOWN_DEVICE)


def _forget_oldest(user_id: int) -> None:
    if old := OLDEST.all(user_id=user_id):
        changed(delete(Device).where(Device.id.in_([device.id for device in old])))


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
