"""Change what a person says of themselves, and tell what happened to the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.audit import service as trail
from flaskauth.audit.models import AuditEvent


@dataclass(frozen=True)
class Activity:
    """Some events, the newest first, and where the next page begins, if there is one."""

    events: Sequence[AuditEvent]
    next: int | None


def edit(user: User, form: dict[str, Any]) -> User:
    """The person with names, country or language changed.

    Raises:
        InvalidInput: there is no such country.
    """
    changes = dict(form)
    if "country" in changes or "country_id" in changes:
        changes["country_id"] = accounts.country_id(changes.pop("country", None), changes.get("country_id"))
    if changes:
        accounts.edit(user, **changes)
        audit.record("profile_edited", user_id=user.id)
    return user


def activity(user_id: int, limit: int, cursor: int | None = None) -> Activity:
    """What happened to the account, before the cursor; one event more is read to see whether it goes on."""
    found = trail.of_person(user_id, cursor, limit + 1)
    events = found[:limit]
    return Activity(events, events[-1].id if len(found) > limit else None)
