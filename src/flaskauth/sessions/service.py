"""Open, carry on, list and end sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from flaskauth import audit
from flaskauth.accounts.models import User
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.errors import NotFound, Unauthorized
from flaskauth.foundation.http import client_ip, network, user_agent
from flaskauth.foundation.ids import LARGEST, new_id
from flaskauth.foundation.prepared import Alone, Prepared, add
from flaskauth.keys import service as keys
from flaskauth.keys import tokens
from flaskauth.mail import outbox
from flaskauth.sessions import devices, emails, refresh_tokens
from flaskauth.sessions.models import Session
from flaskauth.sessions.refresh_tokens import Presented

MOST_SESSIONS = 20
KEPT = timedelta(days=30)  # as long as a network stays known by it

STORED = Alone(
    select(
        *(Session.id, Session.user_id, Session.nonce, Session.generation),
        *(Session.created_at, Session.idle_ends_at, Session.ends_at),
    ).where(Session.id == bindparam("session_id"))
)
_CURRENT = update(Session).where(
    Session.id == bindparam("session_id"),
    Session.generation == bindparam("presented"),
    Session.ended_at.is_(None),
    Session.idle_ends_at > bindparam("now"),
    Session.ends_at > bindparam("now"),
)
_USED: dict[str, Any] = {"last_used_at": bindparam("now"), "idle_ends_at": bindparam("idle_end")}
OLDEST = Prepared(
    select(Session.id)
    .where(
        Session.user_id == bindparam("user_id"),
        Session.ended_at.is_(None),
        Session.idle_ends_at > bindparam("now"),
        Session.ends_at > bindparam("now"),
    )
    .order_by(Session.created_at.desc())
    .offset(MOST_SESSIONS)
)
USE = Alone(_CURRENT.values(_USED))
TRADE = Alone(_CURRENT.values({**_USED, "generation": Session.generation + 1, "traded_at": bindparam("now")}))


class SignedOut(Unauthorized):
    """401 {"code": "signed_out"}: the refresh token is not, or no longer, good."""

    code = "signed_out"
    message = "Token expired, please login"


@dataclass(frozen=True)
class Tokens:
    """What a person carries away."""

    token: str
    refresh_token: str
    expired_at: datetime
    id: int
    session_id: int


def start(user_id: int, device_id: int) -> Tokens:
    """A new session, and its first tokens; the oldest of more than 20 ends."""
    now = clock.now()
    session = Session(
        id=new_id(),
        user_id=user_id,
        device_id=device_id,
        nonce=crypto.random_bytes(32),
        generation=1,
        network=network(),
        ip=client_ip(),
        device=user_agent(),
        created_at=now,
        last_used_at=now,
        idle_ends_at=_idle_end(now),
        ends_at=now + timedelta(minutes=settings().refresh_token_duration),
    )
    add(session)
    _end_oldest(user_id)
    return _tokens(session, fresh=True)


def refresh(token: str, moment: datetime) -> Tokens:
    """The next tokens. The generation just traded gets the same successor again for a while, so that two tabs, or an
    answer lost on the way, sign nobody out; anything older ends the session.

    Arguments:
        moment: of the request; one that is run again, as the database's answer was lost, knows its own trade by it.

    Raises:
        SignedOut
        Unavailable: nothing can sign yet.
    """
    return trade(token, moment) or _again(token, moment)


def trade(token: str, moment: datetime) -> Tokens | None:
    """The next tokens for the first who brings this one; None where it was traded before, or its session has ended.

    Raises:
        SignedOut: it is nobody's.
        Unavailable: nothing can sign yet.
    """
    presented = refresh_tokens.parse(token)
    stored = STORED.first(session_id=presented.session_id) if presented else None
    if not presented or not stored or not presented.is_genuine(stored.nonce):
        raise SignedOut
    keys.signer()  # before the trade: without its answer the token would be spent
    generation, idle_end = presented.generation + settings().refresh_rotation, _idle_end(moment)
    is_first = _carry_on(presented, moment, idle_end)
    return _tokens(stored._replace(generation=generation, idle_ends_at=idle_end)) if is_first else None


def end(session_id: int) -> bool:
    """End a session now; whether it was live."""
    live = update(Session).where(Session.id == session_id, Session.ended_at.is_(None))
    return changed(live.values(ended_at=clock.now())) == 1


def sign_out(session_id: int, user_id: int) -> None:
    """End one's own session; ending it twice is as good."""
    if end(session_id):
        audit.record("signed_out", user_id=user_id, session_id=session_id)


def sign_out_by_token(token: str) -> None:
    """End the session of a refresh token, of any generation; a token that is not ours touches nothing (RFC 7009)."""
    presented = refresh_tokens.parse(token)
    session = db.session.get(Session, presented.session_id) if presented else None
    if presented and session and presented.is_genuine(session.nonce):
        sign_out(session.id, session.user_id)


def live(user_id: int) -> Sequence[Session]:
    """The person's live sessions, newest first."""
    now = clock.now()
    rows = select(Session).where(Session.user_id == user_id, Session.ended_at.is_(None), Session.ends_at > now)
    return db.session.scalars(rows.where(Session.idle_ends_at > now).order_by(Session.created_at.desc())).all()


def end_one(user_id: int, session_id: int) -> None:
    """End one of the person's own sessions.

    Raises:
        NotFound: it is not there, has ended, or is somebody else's.
    """
    # SQLite's driver raises on integers past 64 bits, so the range is looked at first.
    session = db.session.get(Session, session_id) if session_id <= LARGEST else None
    if not session or session.user_id != user_id or not end(session_id):
        raise NotFound
    audit.record("signed_out", user_id=user_id, session_id=session_id)


def end_all(user_id: int, but: Session | None = None) -> int:
    """End all sessions, but perhaps this one, and make all devices but its own unknown; how many ended."""
    live = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    ended = changed(live.where(Session.id != (but.id if but else 0)).values(ended_at=clock.now()))
    devices.forget_all(user_id, but=but.device_id if but else None)
    return ended


def end_others(user_id: int, but: Session) -> None:
    """End all sessions but this one, at its owner's wish."""
    ended = end_all(user_id, but)
    audit.record("signed_out_everywhere", user_id=user_id, session_id=but.id, ended=ended)


def end_everybody() -> int:
    """End every session there is; how many."""
    return changed(update(Session).where(Session.ended_at.is_(None)).values(ended_at=clock.now()))


def purge() -> int:
    """Delete sessions 30 days after their end, some at a time; how many went."""
    before = clock.now() - KEPT
    return delete_some(Session.id, or_(Session.ended_at < before, Session.ends_at < before))


def _carry_on(presented: Presented, now: datetime, idle_end: datetime) -> bool:
    """Trade the generation: one conditional UPDATE, whose row count says who was first.

    It stands alone, as nothing else is written: whoever loses the answer to it, is given the same successor again.
    """
    carry_on = TRADE if settings().refresh_rotation else USE
    found = {"session_id": presented.session_id, "presented": presented.generation}
    return carry_on.changed(**found, now=now, idle_end=idle_end) == 1


def _again(token: str, moment: datetime) -> Tokens:
    """The same successor for the generation just traded; for an older one, the end."""
    presented = refresh_tokens.parse(token)
    # As it is now: this transaction has read nothing yet.
    session = db.session.get(Session, presented.session_id) if presented else None
    if not presented or session is None or not session.is_live or not settings().refresh_rotation:
        raise SignedOut
    grace = timedelta(seconds=settings().refresh_grace)
    is_previous = presented.generation == session.generation - 1
    if is_previous and session.traded_at and (session.traded_at == moment or clock.now() - session.traded_at < grace):
        return _tokens(session)
    if presented.generation < session.generation:
        _end_as_stolen(session)
    raise SignedOut


def _end_as_stolen(session: Session) -> None:
    if not end(session.id):
        return
    user = db.session.get_one(User, session.user_id)
    audit.record("refresh_token_reused", user_id=user.id, session_id=session.id)
    outbox.put(emails.token_reused(user, session))


def _tokens(session: Any, *, fresh: bool = False) -> Tokens:
    """The tokens of a session, or of a row of what is `STORED`."""
    return Tokens(
        token=tokens.issue(session.user_id, session.id, session.created_at, fresh=fresh),
        refresh_token=refresh_tokens.derive(session.id, session.generation, session.nonce),
        expired_at=min(session.idle_ends_at, session.ends_at),
        id=session.user_id,
        session_id=session.id,
    )


def _end_oldest(user_id: int) -> None:
    for session in OLDEST.all(user_id=user_id, now=clock.now()):
        end(session.id)
        audit.record("session_displaced", user_id=user_id, session_id=session.id)


def _idle_end(now: datetime) -> datetime:
    return now + timedelta(minutes=settings().session_idle_duration)
