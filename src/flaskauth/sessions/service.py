"""Start, refresh, list and revoke sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, exists, or_, select, update

from flaskauth import audit, mail
from flaskauth.accounts.models import User
from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import CompiledStatement, IdRow, insert_row, list_parameters, list_values, padded
from flaskauth.core.db.session import db, delete_batch, execute_count
from flaskauth.core.errors import NotFound, Unauthorized
from flaskauth.core.http.request import client_ip, client_network, user_agent
from flaskauth.core.ids import new_id
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.service import RateLimit
from flaskauth.sessions import devices, refresh_tokens
from flaskauth.sessions.active import IS_ACTIVE, idle_expiry
from flaskauth.sessions.device_names import device_name
from flaskauth.sessions.models import Device, Session, is_active
from flaskauth.sessions.refresh_tokens import ParsedRefreshToken
from flaskauth.signing_keys import access_tokens
from flaskauth.signing_keys import service as signing_keys
from flaskauth.signing_keys.amr import PASSWORD

MAX_SESSIONS = 20
LATE_REPLAY_LIMIT = RateLimit(10, timedelta(days=1))
RETENTION = timedelta(days=30)  # networks are recognised by the sessions of 30 days


class SessionRow(NamedTuple):
    """The columns of a session that its tokens depend on."""

    id: int
    user_id: int
    nonce: bytes
    generation: int
    created_at: datetime
    idle_expires_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    amr: str

    def is_current(self, generation: int) -> bool:
        """Return True if this generation may be used, as far as the row shows. The UPDATE decides."""
        return self.generation == generation and is_active(self.revoked_at, self.idle_expires_at, self.expires_at)


class HistoryRow(NamedTuple):
    """The facts about earlier sign-ins that a sign-in needs: whether this network with this user agent was seen."""

    has_seen_client: bool
    has_maximum_devices: bool
    has_maximum_sessions: bool


_ACTIVE_SESSIONS = select(Session.id).where(Session.user_id == bindparam("user_id"), IS_ACTIVE)
EXCESS_SESSIONS = CompiledStatement(
    _ACTIVE_SESSIONS.order_by(Session.created_at.desc()).offset(MAX_SESSIONS - 1), IdRow
)
_SAME_CLIENT = select(Session.id).where(
    Session.user_id == bindparam("user_id"),
    Session.network == bindparam("network"),
    Session.user_agent == bindparam("user_agent"),
)
_MAXIMUM_DEVICE = select(Device.id).where(Device.user_id == bindparam("user_id")).offset(devices.MAX_DEVICES - 1)
HISTORY_QUERY = CompiledStatement(
    select(
        exists(_SAME_CLIENT).label("has_seen_client"),
        _MAXIMUM_DEVICE.limit(1).scalar_subquery().is_not(None).label("has_maximum_devices"),
        _ACTIVE_SESSIONS.offset(MAX_SESSIONS - 1).limit(1).scalar_subquery().is_not(None).label("has_maximum_sessions"),
    ),
    HistoryRow,
)


@cache
def _build_query(size: int, *, skips_locked: bool) -> CompiledStatement[SessionRow]:
    columns = [getattr(Session, name) for name in SessionRow._fields]
    query = select(*columns).where(Session.id.in_(list_parameters("session_id", Session.id, size)))
    # The locks end with the statement. SQLite has no row locks.
    return CompiledStatement(
        query.with_for_update(skip_locked=True) if skips_locked else query, SessionRow, autocommit=True
    )


@cache
def _build_rotation(size: int, *, advances_generation: bool) -> CompiledStatement[None]:
    """Return the conditional UPDATE that uses the current generations of several sessions."""
    keys = zip(
        list_parameters("session_id", Session.id, size),
        list_parameters("current_generation", Session.generation, size),
        strict=True,
    )
    is_current = [and_(Session.id == session_id, Session.generation == generation) for session_id, generation in keys]
    values: dict[str, Any] = {"last_used_at": bindparam("now"), "idle_expires_at": bindparam("idle_expiry")}
    if advances_generation:
        values |= {"generation": Session.generation + 1, "rotated_at": bindparam("now")}
    return CompiledStatement(update(Session).where(or_(*is_current), IS_ACTIVE).values(values), autocommit=True)


class InvalidRefreshToken(Unauthorized):
    """401 `invalid_refresh_token`: the refresh token is malformed, forged, expired or revoked."""

    code = "invalid_refresh_token"
    message = "Token expired, please login"


@dataclass(frozen=True)
class TokenPair:
    """An access token and a refresh token of a session. `id` is the id of the user, as in the response."""

    token: str
    refresh_token: str
    expired_at: datetime
    id: int
    session_id: int


def get_history(user_id: int) -> HistoryRow:
    """Return what a sign-in of the user from this client needs to know about the earlier ones."""
    return HISTORY_QUERY.one(user_id=user_id, network=client_network(), user_agent=user_agent(), now=clock.now())


def start(
    user_id: int, device_id: int, amr: str = PASSWORD, *, is_fresh: bool = True, has_maximum: bool = True
) -> TokenPair:
    """Insert a session and return its first tokens. If the user may have 20 already, revoke the oldest ones.

    In the server only `login.complete_login` calls this function, after it has required a second factor.
    """
    now = clock.now()
    if has_maximum:
        _evict_oldest(user_id)
    session = Session(
        id=new_id(),
        user_id=user_id,
        device_id=device_id,
        nonce=crypto.random_bytes(32),
        generation=1,
        network=client_network(),
        ip=client_ip(),
        user_agent=user_agent(),
        created_at=now,
        last_used_at=now,
        idle_expires_at=idle_expiry(now),
        expires_at=now + timedelta(minutes=settings().refresh_token_duration),
        amr=amr,
    )
    insert_row(session)
    return _build_tokens(session, fresh=is_fresh)


def refresh(token: str, request_time: datetime) -> TokenPair:
    """Return the next tokens of a session.

    The previous generation gets the same successor again within the reuse interval, so two tabs or a lost response do
    not sign the user out. Later it does so from a recognised network while the successor is unused. Any other use of an
    old generation revokes the session (RFC 9700 section 4.14.2).

    Args:
        request_time: identifies the request. A retried request recognises its own rotation by it.

    Raises:
        InvalidRefreshToken
        Unavailable: there is no signing key yet.
    """
    parsed = refresh_tokens.parse(token)
    if parsed is None:
        raise InvalidRefreshToken
    [result] = rotate([parsed], request_time)
    if isinstance(result, InvalidRefreshToken):
        raise result
    return result or _replay(parsed, request_time)


def rotate(
    tokens: Sequence[ParsedRefreshToken], request_time: datetime, *, skips_locked: bool = False
) -> list[TokenPair | InvalidRefreshToken | None]:
    """Rotate refresh tokens of different sessions. Return one result for each token, in the same order.

    The result is

    - the next tokens, if this is the first use of the token;
    - an error, if the token is forged or its session does not exist;
    - None, if the token was used before or its session has ended. The caller then calls `refresh`.

    One conditional UPDATE advances the generations of all sessions. If it changes fewer rows than expected, no result
    has tokens. `refresh` then recognises by `request_time` which sessions the UPDATE has changed.

    Args:
        skips_locked: do not wait for sessions that another transaction has locked. They cannot be distinguished from
            sessions that do not exist, so the result for both is None.

    Raises:
        Unavailable: there is no signing key yet.
    """
    by_id = _load_rows(tokens, skips_locked=skips_locked)
    rows = [
        row if (row := by_id.get(token.session_id)) and token.has_valid_mac(row.nonce) else None for token in tokens
    ]
    current = [row for token, row in zip(tokens, rows, strict=True) if row and row.is_current(token.generation)]
    if current:
        signing_keys.active_key()  # before the rotation, which would consume the tokens without a response
    idle_expires_at = idle_expiry(request_time)
    if not (current and _advance_generations(current, request_time, idle_expires_at)):
        current = []
    step = int(settings().refresh_token_rotation)  # without rotation, the refresh token stays the same
    pairs = {
        (row.id, row.generation): _build_tokens(
            row._replace(generation=row.generation + step, idle_expires_at=idle_expires_at)
        )
        for row in current
    }
    return [
        pairs.get((token.session_id, token.generation))
        if row or (skips_locked and token.session_id not in by_id)
        else InvalidRefreshToken()
        for token, row in zip(tokens, rows, strict=True)
    ]


def revoke(session_id: int) -> bool:
    """Revoke a session. Return True if it was not revoked before."""
    active = update(Session).where(Session.id == session_id, Session.revoked_at.is_(None))
    return execute_count(active.values(revoked_at=clock.now())) == 1


def sign_out(session_id: int, user_id: int) -> None:
    """Revoke the user's own session and record it. A second call does nothing."""
    if revoke(session_id):
        audit.record("signed_out", user_id=user_id, session_id=session_id)


def sign_out_by_token(token: str) -> None:
    """Revoke the session of a refresh token of any generation. An invalid token is ignored (RFC 7009 section 2.2)."""
    parsed = refresh_tokens.parse(token)
    session = db.session.get(Session, parsed.session_id) if parsed else None
    if parsed and session and parsed.has_valid_mac(session.nonce):
        sign_out(session.id, session.user_id)


def active_sessions(user_id: int) -> Sequence[Session]:
    """Return the active sessions of a user, newest first."""
    now = clock.now()
    rows = select(Session).where(Session.user_id == user_id, Session.revoked_at.is_(None), Session.expires_at > now)
    return db.session.scalars(rows.where(Session.idle_expires_at > now).order_by(Session.created_at.desc())).all()


def revoke_own(user_id: int, session_id: int) -> None:
    """Revoke one of the user's own sessions and record it. Its device is no longer remembered.

    Raises:
        NotFound: the session does not exist, is revoked, or belongs to a different user.
    """
    session = db.session.get(Session, session_id)
    if not session or session.user_id != user_id or not revoke(session_id):
        raise NotFound
    devices.forget(session.device_id)
    audit.record("signed_out", user_id=user_id, session_id=session_id)


def revoke_all_for(user_id: int, except_session: Session | None = None) -> int:
    """Revoke all sessions of a user and delete all devices, except one session and its device if given.

    Return the number of revoked sessions.
    """
    active = update(Session).where(Session.user_id == user_id, Session.revoked_at.is_(None))
    revoked = execute_count(
        active.where(Session.id != (except_session.id if except_session else 0)).values(revoked_at=clock.now())
    )
    devices.delete_for_user(user_id, except_device_id=except_session.device_id if except_session else None)
    return revoked


def revoke_others(user_id: int, current_session: Session) -> None:
    """Revoke all sessions of a user except the current one, at the user's request, and record it.

    No device is remembered, not even the current one.
    """
    revoked = revoke_all_for(user_id, current_session)
    devices.clear_remembered(user_id)
    audit.record("signed_out_everywhere", user_id=user_id, session_id=current_session.id, revoked=revoked)


def set_amr(session_id: int, amr: str) -> None:
    """Store the authentication methods that were proven last in a session."""
    execute_count(update(Session).where(Session.id == session_id, Session.amr != amr).values(amr=amr))


def revoke_everyone() -> int:
    """Revoke all sessions of all users. Return the number of revoked sessions."""
    return execute_count(update(Session).where(Session.revoked_at.is_(None)).values(revoked_at=clock.now()))


def purge() -> int:
    """Delete one batch of sessions that ended over 30 days ago. Return the number of deleted rows."""
    cutoff = clock.now() - RETENTION
    return delete_batch(Session.id, or_(Session.revoked_at < cutoff, Session.expires_at < cutoff))


def _load_rows(tokens: Sequence[ParsedRefreshToken], *, skips_locked: bool) -> dict[int, SessionRow]:
    """Return the sessions of the tokens by id. The tokens are not verified."""
    if not tokens:
        return {}
    ids = list_values("session_id", padded([token.session_id for token in tokens]))
    return {row.id: row for row in _build_query(len(ids), skips_locked=skips_locked).all(**ids)}


def _advance_generations(rows: Sequence[SessionRow], now: datetime, idle_expires_at: datetime) -> bool:
    """Advance the generations by one conditional UPDATE. Return True if it changed all sessions.

    It autocommits, because the requests write nothing else. After a lost response, the client gets the same successor.
    """
    ids = list_values("session_id", padded([row.id for row in rows]))
    generations = list_values("current_generation", padded([row.generation for row in rows]))
    statement = _build_rotation(len(ids), advances_generation=settings().refresh_token_rotation)
    return statement.rowcount(**ids, **generations, now=now, idle_expiry=idle_expires_at) == len(rows)


def _replay(parsed: ParsedRefreshToken, request_time: datetime) -> TokenPair:
    """Return the same successor for the previous generation, or revoke the session."""
    # This is the first read of the transaction, so it returns the current row.
    session = db.session.get(Session, parsed.session_id)
    if session is None or not session.is_active or not settings().refresh_token_rotation:
        raise InvalidRefreshToken
    is_previous = parsed.generation == session.generation - 1
    if is_previous and (_is_in_reuse_interval(session, request_time) or _accept_late_replay(session)):
        return _build_tokens(session)
    if parsed.generation < session.generation:
        _revoke_reused(session)
    raise InvalidRefreshToken


def _is_in_reuse_interval(session: Session, request_time: datetime) -> bool:
    reuse_interval = timedelta(seconds=settings().refresh_token_reuse_interval)
    return session.rotated_at is not None and (
        session.rotated_at == request_time or clock.now() - session.rotated_at < reuse_interval
    )


def _accept_late_replay(session: Session) -> bool:
    """Return True if the client has probably lost the response: its network is recognised, the successor is unused.

    Count and record the replay; above 10 a day, return False. A reuse interval of 0 allows none (ADR 19).
    """
    if not settings().refresh_token_reuse_interval or not devices.is_network_recognised(
        session.user_id, client_network()
    ):
        return False
    if not rate_limits.hit((rate_limits.counter_key("late refresh", session.id), LATE_REPLAY_LIMIT)).is_allowed:
        return False
    unused = update(Session).where(
        Session.id == session.id, Session.generation == session.generation, Session.revoked_at.is_(None)
    )
    if not execute_count(unused.values(last_used_at=clock.now())):
        return False
    audit.record("refresh_token_replayed", user_id=session.user_id, session_id=session.id)
    return True


def _revoke_reused(session: Session) -> None:
    if not revoke(session.id):
        return
    user = db.session.get_one(User, session.user_id)
    audit.record("refresh_token_reused", user_id=user.id, session_id=session.id)
    mail.notify(
        "sessions/token_reused",
        user,
        device=device_name(session.user_agent),
        network=session.network,
        started_at=clock.to_rfc3339(session.created_at),
        noticed_at=clock.to_rfc3339(clock.now()),
    )


def _build_tokens(session: Session | SessionRow, *, fresh: bool = False) -> TokenPair:
    return TokenPair(
        token=access_tokens.issue(session.user_id, session.id, session.created_at, session.amr, fresh=fresh),
        refresh_token=refresh_tokens.derive(session.id, session.generation, session.nonce),
        expired_at=min(session.idle_expires_at, session.expires_at),
        id=session.user_id,
        session_id=session.id,
    )


def _evict_oldest(user_id: int) -> None:
    for session in EXCESS_SESSIONS.all(user_id=user_id, now=clock.now()):
        revoke(session.id)
        audit.record("session_evicted", user_id=user_id, session_id=session.id)
