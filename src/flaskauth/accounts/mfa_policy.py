"""The policy: who must have a second factor, by `SECOND_FACTOR` or because an operator requires it of a user."""

from datetime import UTC, datetime, time
from typing import Protocol

from sqlalchemy import ColumnElement, false, true

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.context import settings


class MfaUser(Protocol):
    """A user, or a row of one with these columns."""

    @property
    def id(self) -> int: ...

    @property
    def mfa_enabled(self) -> bool: ...

    @property
    def mfa_required(self) -> bool: ...


def is_required(user: MfaUser) -> bool:
    """Return True if the user must have a second factor, now or from `SECOND_FACTOR_FROM` on."""
    policy = settings().second_factor
    return policy == "required" or (policy == "optional" and user.mfa_required)


def required_users() -> ColumnElement[bool]:
    """Return the condition for the users who must have a second factor, now or later."""
    conditions = {"required": true(), "optional": User.mfa_required.is_(True), "off": false()}
    return conditions[settings().second_factor]


def enrol_by(user: MfaUser) -> datetime | None:
    """Return the time from which the user must have a second factor, or None if they have or need none.

    The time may be in the past. A requirement by an operator has no such time.
    """
    first_day = settings().second_factor_from
    if user.mfa_enabled or user.mfa_required or not first_day or not is_required(user):
        return None
    return datetime.combine(first_day, time(), UTC)


def must_enrol(user: MfaUser) -> bool:
    """Return True if the user may only enrol a second factor, because a required one is missing."""
    if user.mfa_enabled or not is_required(user):
        return False
    due_at = enrol_by(user)
    return due_at is None or due_at <= clock.now()
