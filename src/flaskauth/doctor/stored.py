"""What the rows tell: signing keys, waiting mail, and whether somebody keeps the schedule."""

from datetime import timedelta

from sqlalchemy import Connection, func, select

from flaskauth.doctor.findings import Finding, counted, doubtful, fine, serious, skipped, wrong
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.crypto import CannotOpen
from flaskauth.foundation.current import settings
from flaskauth.foundation.jobs import PULSE, PULSE_EVERY, ScheduledRun
from flaskauth.health import MAIL_LATE, mail_is_late_by
from flaskauth.keys.models import SigningKey
from flaskauth.keys.ring import SEAL
from flaskauth.keys.service import ROTATES_AFTER
from flaskauth.mail.models import DEAD, QUEUED, OutboxMail

SLACK = timedelta(days=1)
SILENCE = timedelta(minutes=3)  # longer than a sweep of waiting mail may hold up the thread that keeps the schedule
DAY = timedelta(days=1)
WITH_CELERY = "Start a worker and a beat: celery -A flaskauth.celery worker --loglevel=INFO --beat"
WITHOUT = "Start the server, whose threads keep it: flaskauth serve"


def _signing_keys(connection: Connection) -> Finding:
    if not settings().secret_key.get_secret_value():
        return skipped("SECRET_KEY cannot be used")
    locked = [kid for kid, sealed in _keys(connection) if _opened_by(kid, sealed) is None]
    if locked:
        return wrong(
            f"sealed with another SECRET_KEY: {', '.join(locked)}; a server does not start",
            "Put the old secret into SECRET_KEY_FALLBACKS; if it is lost, flaskauth keys reset signs everybody out.",
        )
    return _age(connection)


def _age(connection: Connection) -> Finding:
    newest = connection.scalar(select(func.max(SigningKey.signs_from)))
    if newest is None:
        return doubtful("there is none yet", "The first start of a server makes it.")
    age = clock.now() - newest
    if age > ROTATES_AFTER + SLACK:
        return wrong(
            f"the newest has signed for {age.days} days, and a new one was due after {ROTATES_AFTER.days}",
            "Look at `schedule`; until it is kept, `flaskauth keys rotate` makes one.",
        )
    return fine(f"the newest has signed for {max(0, age.days)} days")


def _fallbacks(connection: Connection) -> Finding:
    """Whether an old secret is still needed; nothing stored tells which refresh tokens it made."""
    if not settings().secret_key_fallbacks:
        return fine("none is set")
    old = [kid for kid, sealed in _keys(connection) if _opened_by(kid, sealed) is False]
    if old:
        return fine(
            f"still needed by {counted(len(old), 'signing key', 'signing keys')}, which the schedule seals again"
        )
    days = timedelta(minutes=settings().refresh_token_duration).days
    return fine(f"no signing key needs one; {days} days after the change no session does, and they can go")


def _keys(connection: Connection) -> list[tuple[str, bytes]]:
    rows = connection.execute(select(SigningKey.kid, SigningKey.sealed).order_by(SigningKey.ordinal))
    return [(kid, sealed) for kid, sealed in rows]


def _opened_by(kid: str, sealed: bytes) -> bool | None:
    """Whether the secret in use opens it, and not a fallback; None where nothing does."""
    try:
        return crypto.unseal(SEAL, sealed, kid.encode())[1]
    except CannotOpen:
        return None


def _outbox(connection: Connection) -> Finding:
    late = mail_is_late_by(connection)
    waiting = connection.scalar(select(func.count()).where(OutboxMail.state == QUEUED)) or 0
    told = f"{counted(waiting, 'mail waits', 'mails wait')}, the longest due for {int(late.total_seconds())} s"
    if late > MAIL_LATE:
        return wrong(told, "Look at `schedule` and `smtp`; flaskauth mail list --state queued")
    return fine(told if waiting else "no mail waits")


def _dead_mail(connection: Connection) -> Finding:
    recent = select(func.count()).where(OutboxMail.state == DEAD, OutboxMail.created_at > clock.now() - DAY)
    if count := connection.scalar(recent):
        return doubtful(f"{count} of the last day cannot be delivered", "flaskauth mail list --state dead says why.")
    return fine("none of the last day")


def _schedule(connection: Connection) -> Finding:
    """Whoever keeps it leaves a mark twice a minute: the server's thread, or beat and a worker together."""
    advice = WITH_CELERY if settings().redis_url else WITHOUT
    due = connection.scalar(select(ScheduledRun.next_run_at).where(ScheduledRun.name == PULSE))
    if due is None:
        return doubtful("no server or worker has done its work yet", advice)
    silence = clock.now() - (due - PULSE_EVERY)
    if silence > SILENCE:
        return serious(f"nobody has done its work since {clock.stamp(due - PULSE_EVERY)}", advice)
    return fine("is kept up")


CHECKS = {
    "signing-keys": _signing_keys,
    "secret-fallbacks": _fallbacks,
    "outbox": _outbox,
    "dead-mail": _dead_mail,
    "schedule": _schedule,
}
