"""Active sessions: the condition, one with its user, and the idle timeout."""

from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.sql.base import ExecutableOption

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import db
from flaskauth.sessions.models import Session

IS_ACTIVE = and_(
    Session.revoked_at.is_(None), Session.idle_expires_at > bindparam("now"), Session.expires_at > bindparam("now")
)
EXTENSION = CompiledStatement(
    update(Session)
    .where(Session.id == bindparam("session_id"), IS_ACTIVE)
    .values(last_used_at=bindparam("now"), idle_expires_at=bindparam("idle_expiry")),
    autocommit=True,
)


def load(session_id: int, *loading: ExecutableOption) -> tuple[Session, User] | None:
    """Return a session and its user, or None if it was revoked or has expired."""
    statement = select(Session, User).join(User, User.id == Session.user_id).where(Session.id == session_id)
    row = db.session.execute(statement.options(*loading)).first()
    return (row.Session, row.User) if row is not None and row.Session.is_active else None


def extend(session_id: int) -> None:
    """Extend the idle timeout of a session that is used without refresh tokens. It autocommits."""
    now = clock.now()
    EXTENSION.rowcount(session_id=session_id, now=now, idle_expiry=idle_expiry(now))


def idle_expiry(now: datetime) -> datetime:
    """Return when a session that is used now expires unless it is used again."""
    return now + timedelta(minutes=settings().session_idle_timeout)
