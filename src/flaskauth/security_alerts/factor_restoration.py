"""Undo the changes of second factors that an attacker may have made, when the user follows a link (ADR 30).

A session is suspicious if it changed factors while it had no second factor itself. If the link reports a session, this
one is suspicious too, and further ones that an attacker may have. If the link restores the email address, the account
was the attacker's since the email change.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from flaskauth.audit import service as audit_log
from flaskauth.core import ids
from flaskauth.mfa import factor_changes
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.models import EmailLink
from flaskauth.sessions import starts
from flaskauth.sessions.starts import SessionStart
from flaskauth.signing_keys import amr

CLOCK_DIFFERENCE = timedelta(minutes=1)  # that two servers may have: each differs from the database by at most 30 s


class Restoration(NamedTuple):
    """Whether changes were undone, and the ids of the suspicious sessions."""

    has_undone_changes: bool
    suspicious: set[int]


def restore(link: EmailLink, *, is_email_restored: bool) -> Restoration:
    """Undo all changes since the first suspicious session began that made one, or since the email change."""
    sessions, week_start = starts.of_user(link.user_id), link.created_at - links.LIFETIME
    reported = next((session for session in sessions if session.id == link.session_id), None)
    since = min(week_start, reported.created_at) if reported else week_start
    changes = factor_changes.find_not_undone(link.user_id, since)
    suspicious = {session_id for session_id, methods in changes if not amr.has_second_factor(methods)}
    if reported:
        suspicious |= _related(reported, sessions, week_start, is_new_user=ids.time_of(link.user_id) >= week_start)
    began = {session.id: max(session.created_at, week_start) for session in sessions}
    if reported:
        began[reported.id] = reported.created_at
    changed = suspicious & {session_id for session_id, _methods in changes}
    times = [began.get(session_id or 0, week_start) for session_id in changed]
    if is_email_restored and (changed_at := _email_changed_at(link)):
        times.append(changed_at)
    has_undone = bool(times) and factor_changes.undo_since(link.user_id, min(times) - CLOCK_DIFFERENCE)
    return Restoration(has_undone, {session_id for session_id in suspicious if session_id})


def _email_changed_at(link: EmailLink) -> datetime | None:
    """Return when the email address was first changed after the link was mailed."""
    return audit_log.first_time(link.user_id, "email_changed", link.created_at - CLOCK_DIFFERENCE)


def _related(
    reported: SessionStart, sessions: list[SessionStart], week_start: datetime, *, is_new_user: bool
) -> set[int | None]:
    """Return the sessions that may be of the same attacker as the reported one, which is one of them.

    They are those from a client that was new in the week, and those on the same device or in the same network.
    """
    new = starts.from_new_clients(sessions, week_start, is_new_user=is_new_user)
    return {session.id for session in sessions if session.id in new or session.is_near(reported)}
