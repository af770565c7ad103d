"""Known devices and networks: what lets an owner in while strangers are made to wait."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, exists, select, update

from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.ids import new_id
from flaskauth.mail import budget
from flaskauth.sessions.models import Device, Session

KNOWN_DEVICE = timedelta(days=180)
KNOWN_NETWORK = timedelta(days=30)
MOST_DEVICES = 50


@dataclass(frozen=True)
class Known:
    """What is known of who asks: a device of this person, a network of this person, both or neither."""

    device_id: int | None
    network: bool

    def __bool__(self) -> bool:
        return self.device_id is not None or self.network


def known(user_id: int, network: str, device_token: str | None) -> Known:
    """What this person (0 for nobody) is known by; nobody costs the same reads."""
    return Known(_device_of(user_id, device_token), is_known_network(user_id, network))


def is_known_network(user_id: int, network: str) -> bool:
    """Whether the person signed in from this network within 30 days."""
    since = clock.now() - KNOWN_NETWORK
    visits = select(Session.id).where(
        Session.user_id == user_id, Session.network == network, Session.created_at > since
    )
    return bool(db.session.scalar(select(exists(visits))))


def is_seen(user_id: int, network: str, user_agent: str) -> bool:
    """Whether the person signed in from here by a device that calls itself the same."""
    same = select(Session.id).where(Session.user_id == user_id, Session.network == network)
    return bool(db.session.scalar(select(exists(same.where(Session.device == user_agent)))))


def take_mail(address: str, user_id: int, network: str) -> bool:
    """Whether one more mail may go to this address, whose person (0 for nobody) may be known where it is asked for."""
    return budget.take(address, network, is_known=is_known_network(user_id, network))


def remember(user_id: int, device_id: int | None, device_token: str | None) -> tuple[int, str]:
    """The device's id and token: the known one's, used again, or a new one's."""
    now = clock.now()
    again = update(Device).where(Device.id == (device_id or 0), Device.user_id == user_id)
    if device_id and device_token and changed(again.values(last_used_at=now)):
        return device_id, device_token
    token = crypto.encode(crypto.random_bytes(32))
    made = Device(id=new_id(), user_id=user_id, token_digest=_digest(token), created_at=now, last_used_at=now)
    db.session.add(made)
    db.session.flush()
    _forget_oldest(user_id)
    return made.id, token


def forget_all(user_id: int, but: int | None = None) -> None:
    """Make every device of the person unknown, but perhaps one."""
    changed(delete(Device).where(Device.user_id == user_id, Device.id != (but or 0)))


def purge() -> int:
    """Delete devices that were not used for 180 days, some at a time; how many went."""
    return delete_some(Device.id, Device.last_used_at < clock.now() - KNOWN_DEVICE)


def _device_of(user_id: int, device_token: str | None) -> int | None:
    since = clock.now() - KNOWN_DEVICE
    same = select(Device.id).where(Device.token_digest == _digest(device_token or ""), Device.user_id == user_id)
    return db.session.scalar(same.where(Device.last_used_at > since))


def _forget_oldest(user_id: int) -> None:
    newest = select(Device.id).where(Device.user_id == user_id).order_by(Device.last_used_at.desc(), Device.id.desc())
    if old := db.session.scalars(newest.offset(MOST_DEVICES)).all():
        changed(delete(Device).where(Device.id.in_(old)))


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
