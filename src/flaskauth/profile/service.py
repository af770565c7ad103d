"""Edit the profile and list the events of the account."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.audit import service as audit_log
from flaskauth.audit.models import AuditEvent
from flaskauth.sessions.decorators import AuthContext, lock_session


class ProfileChanges(TypedDict, total=False):
    first_name: str
    last_name: str
    country_id: int | None
    country: str
    locale: str


@dataclass(frozen=True)
class ActivityPage:
    """Events, the newest first, and the cursor of the next page; None on the last page."""

    events: Sequence[AuditEvent]
    next: int | None


def edit(auth: AuthContext, form: ProfileChanges) -> User:
    """Change the user's names, country or language. Record an audit event and return the user.

    Raises:
        ValidationFailed: there is no such country.
        InvalidToken: the session was revoked during this call.
    """
    changes = form.copy()
    if "country" in changes or "country_id" in changes:
        changes["country_id"] = accounts.resolve_country_id(changes.pop("country", None), changes.get("country_id"))
    if not changes:
        return auth.user
    user = accounts.edit(lock_session(auth), **changes)
    audit.record("profile_edited", user_id=user.id)
    return user


def list_activity(user_id: int, limit: int, cursor: int | None = None) -> ActivityPage:
    """Return a page of events older than the cursor. One more row is read to detect whether there is a next page."""
    rows = audit_log.events_for_user(user_id, cursor, limit + 1)
    events = rows[:limit]
    return ActivityPage(events, events[-1].id if len(rows) > limit else None)
