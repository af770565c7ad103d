"""Recognised devices and networks: they let the user sign in while unrecognised clients are locked out."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.compiled import CompiledStatement, IdRow, insert_row
from flaskauth.core.db.session import delete_batch, execute_count
from flaskauth.core.ids import new_id
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.sessions.models import Device, Session

DEVICE_RECOGNITION_PERIOD = timedelta(days=180)
NETWORK_RECOGNITION_PERIOD = timedelta(days=30)
MAX_DEVICES = 50


class MatchRow(NamedTuple):
    device_id: int | None
    network: bool


_FOR_USER = Device.user_id == bindparam("user_id")
TOUCH_DEVICE = CompiledStatement(
    update(Device).where(Device.id == bindparam("device_id"), _FOR_USER).values(last_used_at=bindparam("now"))
)
EXCESS_DEVICES = CompiledStatement(
    select(Device.id).where(_FOR_USER).order_by(Device.last_used_at.desc(), Device.id.desc()).offset(MAX_DEVICES), IdRow
)
_NETWORK_SESSIONS = select(Session.id).where(
    Session.user_id == bindparam("user_id"), Session.network == bindparam("network")
)
_RECENT_NETWORK_SESSIONS = _NETWORK_SESSIONS.where(Session.created_at > bindparam("visited_since"))
_MATCHING_DEVICE = select(Device.id).where(
    Device.token_digest == bindparam("digest"), _FOR_USER, Device.last_used_at > bindparam("used_since")
)
MATCH_QUERY = CompiledStatement(
    select(_MATCHING_DEVICE.scalar_subquery().label("device_id"), exists(_RECENT_NETWORK_SESSIONS).label("network")),
    MatchRow,
)
USER_AGENT_QUERY = CompiledStatement(
    _NETWORK_SESSIONS.where(Session.user_agent == bindparam("user_agent")).limit(1), IdRow
)


@dataclass(frozen=True)
class DeviceMatch:
    """A recognised device, a recognised network, both or neither. It is true if either is recognised."""

    device_id: int | None
    is_network_recognised: bool

    def __bool__(self) -> bool:
        return self.device_id is not None or self.is_network_recognised


def match(user_id: int, network: str, device_token: str | None) -> DeviceMatch:
    """Return how the user is recognised. For user id 0 (no user) it runs the same query and matches nothing."""
    now = clock.now()
    row = MATCH_QUERY.one(
        user_id=user_id,
        network=network,
        digest=_digest(device_token or ""),
        used_since=now - DEVICE_RECOGNITION_PERIOD,
        visited_since=now - NETWORK_RECOGNITION_PERIOD,
    )
    return DeviceMatch(row.device_id, row.network)


def has_been_seen(user_id: int, network: str, user_agent: str) -> bool:
    """Return True if the user has signed in from this network with this user agent before."""
    return USER_AGENT_QUERY.first(user_id=user_id, network=network, user_agent=user_agent) is not None


def is_network_recognised(user_id: int, network: str) -> bool:
    """Return True if the user (0 for no user) has signed in from this network within 30 days."""
    return match(user_id, network, None).is_network_recognised


def reserve_mail(normalized_email: str, user_id: int, network: str, device_token: str | None = None) -> bool:
    """Count a mail against the rate limits of an email address. Return True if it may be sent.

    The limits are higher if the user (0 for no user) is recognised by the device token or the network.
    """
    is_recognised = bool(match(user_id, network, device_token))
    return mail_limits.reserve(normalized_email, network, is_recognised=is_recognised)


def upsert(user_id: int, device_id: int | None, device_token: str | None) -> tuple[int, str]:
    """Update a recognised device, or insert a new one and delete the oldest above 50. Return the id and token."""
    now = clock.now()
    if device_id and device_token and TOUCH_DEVICE.rowcount(device_id=device_id, user_id=user_id, now=now):
        return device_id, device_token
    token = crypto.base64url_encode(crypto.random_bytes(32))
    device = Device(id=new_id(), user_id=user_id, token_digest=_digest(token), created_at=now, last_used_at=now)
    insert_row(device)
    if excess := EXCESS_DEVICES.all(user_id=user_id):
        execute_count(delete(Device).where(Device.id.in_([old_device.id for old_device in excess])))
    return device.id, token


def delete_for_user(user_id: int, except_device_id: int | None = None) -> None:
    """Delete the devices of a user, except one if given."""
    execute_count(delete(Device).where(Device.user_id == user_id, Device.id != (except_device_id or 0)))


def purge() -> int:
    """Delete one batch of devices that were not used for 180 days. Return the number of deleted rows."""
    return delete_batch(Device.id, Device.last_used_at < clock.now() - DEVICE_RECOGNITION_PERIOD)


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
