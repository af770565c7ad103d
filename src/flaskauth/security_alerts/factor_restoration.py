"""Undo the changes of second factors that an attacker may have made, when the user follows a link (ADR 30).

A session is suspicious if it changed factors while it had no second factor itself. If the link reports a session, this
one is suspicious too, and further ones that an attacker may have.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flaskauth.mfa import factor_changes
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes.models import EmailLink
from flaskauth.sessions import starts
from flaskauth.sessions.starts import SessionStart
from flaskauth.signing_keys import amr

CLOCK_DIFFERENCE = timedelta(minutes=1)  # that two servers may have: each differs from the database by at most 30 s


def restore(link: EmailLink) -> bool:
    """Undo all changes since the first suspicious session began. Return False if there are none."""
    since = _first_suspicious_start(link)
    return since is not None and factor_changes.undo_since(link.user_id, since - CLOCK_DIFFERENCE)


def _first_suspicious_start(link: EmailLink) -> datetime | None:
    """Return when the first suspicious session began that changed factors, or None if no such session did.

    A session that is older than the week before the link counts from the beginning of this week, except the reported
    one.
    """
    sessions, week_start = starts.of_user(link.user_id), link.created_at - links.LIFETIME
    reported = next((session for session in sessions if session.id == link.session_id), None)
    since = min(week_start, reported.created_at) if reported else week_start
    changes = factor_changes.find_not_undone(link.user_id, since)
    suspicious = {session_id for session_id, methods in changes if not amr.has_second_factor(methods)}
    if reported:
        suspicious |= _related(reported, sessions, week_start)
    changed = suspicious & {session_id for session_id, _methods in changes}
    began = {session.id: max(session.created_at, week_start) for session in sessions}
    if reported:
        began[reported.id] = reported.created_at
    return min((began.get(session_id or 0, week_start) for session_id in changed), default=None)


def _related(reported: SessionStart, sessions: Sequence[SessionStart], week_start: datetime) -> set[int | None]:
    """Return the sessions that may be of the same attacker as the reported one, which is one of them.

    They are those from a client that was new in the week, and those on the same device or in the same network.
    """
    new = starts.from_new_clients(sessions)
    return {
        session.id
        for session in sessions
        if session.is_near(reported) or (session.id in new and session.created_at >= week_start)
    }
