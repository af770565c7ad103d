"""Recognised devices and networks: they let the user sign in while unrecognised clients are locked out."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Label, and_, bindparam, delete, exists, func, or_, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.compiled import CompiledStatement, IdRow, insert_row
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.ids import new_id
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.sessions.models import Device, Session
from flaskauth.signing_keys import amr

DEVICE_RECOGNITION_PERIOD = timedelta(days=180)
NETWORK_RECOGNITION_PERIOD = timedelta(days=30)
MAX_DEVICES = 50


class DeviceMatch(NamedTuple):
    """A recognised device, a recognised network, both or neither."""

    device_id: int | None
    is_network_recognised: bool

    @property
    def is_recognised(self) -> bool:
        return self.device_id is not None or self.is_network_recognised


_FOR_USER = Device.user_id == bindparam("user_id")
TOUCH_DEVICE = CompiledStatement(
    update(Device).where(Device.id == bindparam("device_id"), _FOR_USER).values(last_used_at=bindparam("now"))
)
EXCESS_DEVICES = CompiledStatement(
    select(Device.id).where(_FOR_USER).order_by(Device.last_used_at.desc(), Device.id.desc()).offset(MAX_DEVICES), IdRow
)


def match_columns(user_id: ColumnElement[int]) -> tuple[Label[int], Label[bool]]:
    """Return the columns of `DeviceMatch` for the user with this id. A query needs also `match_parameters`."""
    device = select(Device.id).where(
        Device.token_digest == bindparam("digest"),
        Device.user_id == user_id,
        Device.last_used_at > bindparam("used_since"),
    )
    recent_session = select(Session.id).where(
        Session.user_id == user_id,
        Session.network == bindparam("network"),
        Session.created_at > bindparam("visited_since"),
    )
    return device.scalar_subquery().label("device_id"), exists(recent_session).label("is_network_recognised")


MATCH_QUERY = CompiledStatement(select(*match_columns(bindparam("user_id"))), DeviceMatch)


def match(user_id: int, network: str, device_token: str | None) -> DeviceMatch:
    """Return whether the device and the network of the user are recognised.

    For user id 0 (no user), the same query matches nothing, so the response time does not reveal whether a user exists.
    """
    return MATCH_QUERY.one(user_id=user_id, **match_parameters(network, device_token))


def match_parameters(network: str, device_token: str | None) -> dict[str, object]:
    """Return the parameters of a query with `match_columns`."""
    now = clock.now()
    return {
        "network": network,
        "digest": _digest(device_token or ""),
        "used_since": now - DEVICE_RECOGNITION_PERIOD,
        "visited_since": now - NETWORK_RECOGNITION_PERIOD,
    }


def is_network_recognised(user_id: int, network: str) -> bool:
    """Return True if the user (0 for no user) has signed in from this network within 30 days."""
    return match(user_id, network, None).is_network_recognised


def forget_networks(user_id: int, session_ids: Collection[int], since: datetime) -> None:
    """Stop recognising the networks of sessions that may not be the user's, and of all sessions since a time."""
    distrusted = or_(Session.id.in_(session_ids), Session.created_at >= since)
    execute_count(update(Session).where(Session.user_id == user_id, distrusted).values(network=""))


def has_proven_factor(user_id: int, device_id: int | None, network: str) -> bool:
    """Return True if the user has proven a second factor on this device, or from this network within 30 days.

    A session on the device counts for 30 days after its end: then its row is deleted.
    """
    is_recent = Session.created_at > clock.now() - NETWORK_RECOGNITION_PERIOD
    is_same_client = or_(Session.device_id == (device_id or 0), and_(Session.network == network, is_recent))
    methods = db.session.scalars(select(Session.amr).where(Session.user_id == user_id, is_same_client))
    return any(amr.has_second_factor(session_amr) for session_amr in methods)


def reserve_mail(normalized_email: str, user_id: int, network: str, device_token: str | None = None) -> bool:
    """Count a mail against the rate limits of an email address. Return True if it may be sent.

    The limits are higher if the user (0 for no user) is recognised by the device token or the network.
    """
    is_recognised = match(user_id, network, device_token).is_recognised
    return mail_limits.reserve(normalized_email, network, is_recognised=is_recognised)


def upsert(
    user_id: int, device_id: int | None, device_token: str | None, *, has_maximum: bool = True
) -> tuple[int, str]:
    """Update a recognised device, or insert a new one. Return the id and token.

    If the user may have 50 already, delete the oldest above that number.
    """
    now = clock.now()
    if device_id and device_token and TOUCH_DEVICE.rowcount(device_id=device_id, user_id=user_id, now=now):
        return device_id, device_token
    token = crypto.base64url_encode(crypto.random_bytes(32))
    device = Device(id=new_id(), user_id=user_id, token_digest=_digest(token), created_at=now, last_used_at=now)
    insert_row(device)
    if has_maximum and (excess := EXCESS_DEVICES.all(user_id=user_id)):
        execute_count(delete(Device).where(Device.id.in_([old_device.id for old_device in excess])))
    return device.id, token


def delete_for_user(user_id: int, except_device_id: int | None = None) -> None:
    """Delete the devices of a user, except one if given."""
    execute_count(delete(Device).where(Device.user_id == user_id, Device.id != (except_device_id or 0)))


def is_remembered(device_id: int | None) -> bool:
    """Return True if a sign-in with a password from this device requires no second factor now."""
    remembered = select(Device.id).where(Device.id == device_id, Device.remembered_until > clock.now())
    return device_id is not None and db.session.scalar(remembered) is not None


def remember(device_id: int, until: datetime) -> None:
    """Store until when a sign-in with a password from this device requires no second factor."""
    execute_count(update(Device).where(Device.id == device_id).values(remembered_until=until))


def forget(device_id: int | None) -> None:
    """Require a second factor on a device again."""
    execute_count(update(Device).where(Device.id == device_id).values(remembered_until=None))


def count_remembered(user_id: int) -> int:
    """Return the number of remembered devices of a user."""
    remembered = select(func.count()).where(Device.user_id == user_id, Device.remembered_until > clock.now())
    return db.session.scalar(remembered) or 0


def clear_remembered(user_id: int) -> int:
    """Require a second factor on all devices of a user again. Return their number."""
    remembered = update(Device).where(Device.user_id == user_id, Device.remembered_until > clock.now())
    return execute_count(remembered.values(remembered_until=None))


def purge() -> int:
    """Delete one batch of devices that were not used for 180 days. Return the number of deleted rows."""
    return delete_batch(Device.id, Device.last_used_at < clock.now() - DEVICE_RECOGNITION_PERIOD)


def _digest(token: str) -> bytes:
    return crypto.sha256(token.encode())
