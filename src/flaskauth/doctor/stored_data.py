"""Check signing keys, queued mail and the schedule of periodic jobs."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from sqlalchemy import Connection, func, select

from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.crypto import DecryptionError
from flaskauth.core.jobs.background import HEARTBEAT, HEARTBEAT_INTERVAL, ScheduledRun
from flaskauth.doctor.findings import Finding, failed, failed_in_production, ok, pluralize, skipped, warning
from flaskauth.health import MAX_MAIL_DELAY, mail_delay
from flaskauth.mail.models import FAILED, QUEUED, OutboxMail
from flaskauth.mfa import factors, totp
from flaskauth.mfa.models import Passkey
from flaskauth.signing_keys.keyring import ENCRYPTION_LABEL
from flaskauth.signing_keys.models import SigningKey
from flaskauth.signing_keys.service import ROTATION_INTERVAL

ROTATION_TOLERANCE = timedelta(days=1)
MAX_HEARTBEAT_AGE = timedelta(minutes=3)  # longer than a sweep of queued mail may delay the scheduler thread
DAY = timedelta(days=1)
CELERY_ADVICE = "Start a worker and a beat: celery -A flaskauth.celery worker --loglevel=INFO --beat"
SERVER_ADVICE = "Start the server, which runs the periodic jobs: flaskauth serve"


def _with_secret(check: Callable[[Connection], Finding]) -> Callable[[Connection], Finding]:
    """Return a check that is skipped if SECRET_KEY is invalid."""

    @wraps(check)
    def check_with_secret(connection: Connection) -> Finding:
        return check(connection) if settings().secret_key.get_secret_value() else skipped("SECRET_KEY is invalid")

    return check_with_secret


@_with_secret
def _check_signing_keys(connection: Connection) -> Finding:
    locked = [kid for kid, encrypted in _encrypted_keys(connection) if _is_current_secret(kid, encrypted) is None]
    if locked:
        return failed(
            f"encrypted with a different SECRET_KEY: {', '.join(locked)}; a server does not start",
            "Add the old secret to SECRET_KEY_FALLBACKS. If it is lost, flaskauth keys reset signs out all users.",
        )
    return _check_key_age(connection)


def _check_key_age(connection: Connection) -> Finding:
    newest = connection.scalar(select(func.max(SigningKey.active_from)))
    if newest is None:
        return warning("no signing key exists yet", "The first start of a server creates it.")
    age = clock.now() - newest
    if age > ROTATION_INTERVAL + ROTATION_TOLERANCE:
        return failed(
            f"the newest key has been signing for {age.days} days; "
            f"the next one was due after {ROTATION_INTERVAL.days} days",
            "Fix `schedule`. In the meantime, `flaskauth keys rotate` creates a key.",
        )
    return ok(f"the newest key has been signing for {max(0, age.days)} days")


@_with_secret
def _check_fallbacks(connection: Connection) -> Finding:
    """Check whether a fallback secret is still needed. The database does not show which refresh tokens need it."""
    if not settings().secret_key_fallbacks:
        return ok("SECRET_KEY_FALLBACKS is not set")
    dependent = [kid for kid, encrypted in _encrypted_keys(connection) if _is_current_secret(kid, encrypted) is False]
    apps, _undecryptable = totp.count_outdated(connection)
    if dependent or apps:
        keys = pluralize(len(dependent), "signing key", "signing keys")
        count = f"{keys} and {pluralize(apps, 'authenticator app', 'authenticator apps')}" if apps else keys
        return ok(f"still needed by {count}, until a periodic job re-encrypts them")
    days = timedelta(minutes=settings().refresh_token_duration).days
    return ok(f"no signing key needs a fallback; {days} days after the change no session does, and you can remove them")


@_with_secret
def _check_totp_secrets(connection: Connection) -> Finding:
    _outdated, undecryptable = totp.count_outdated(connection)
    if undecryptable:
        return warning(
            f"{pluralize(undecryptable, 'authenticator app', 'authenticator apps')} cannot be decrypted",
            "Add the old secret to SECRET_KEY_FALLBACKS. If it is lost, the users sign in with recovery codes.",
        )
    return ok("all authenticator apps can be decrypted")


def _check_factor_policy(connection: Connection) -> Finding:
    """Check that no user has a factor that SECOND_FACTOR=off ignores."""
    if settings().second_factor != "off":
        return ok(f"SECOND_FACTOR is {settings().second_factor}")
    if count := factors.count_users(connection):
        return failed(
            f"SECOND_FACTOR is off, but {pluralize(count, 'user has', 'users have')} second factors;"
            " a server does not start",
            "Set it to optional, or remove the factors of the users in flaskauth factors list:"
            " flaskauth users reset-factors.",
        )
    return ok("SECOND_FACTOR is off, and no user has a second factor")


def _encrypted_keys(connection: Connection) -> list[tuple[str, bytes]]:
    rows = connection.execute(select(SigningKey.kid, SigningKey.encrypted_private_key).order_by(SigningKey.ordinal))
    return [(kid, encrypted) for kid, encrypted in rows]


def _is_current_secret(kid: str, encrypted: bytes) -> bool | None:
    """Return True if SECRET_KEY decrypts the key, False if a fallback does, and None if no secret does."""
    try:
        return crypto.decrypt(ENCRYPTION_LABEL, encrypted, kid.encode())[1]
    except DecryptionError:
        return None


def _check_passkeys(connection: Connection) -> Finding:
    """Count the passkeys of another RP ID, which no browser offers for this one."""
    other = select(func.count()).where(Passkey.rp_id != settings().rp_id, Passkey.removed_at.is_(None))
    if count := connection.scalar(other):
        return warning(
            f"{pluralize(count, 'passkey belongs', 'passkeys belong')} to another RP ID than {settings().rp_id}",
            "Set WEBAUTHN_RP_ID to the domain that they were registered for; users cannot use them otherwise.",
        )
    return ok(f"no passkey belongs to another RP ID than {settings().rp_id}")


def _check_outbox(connection: Connection) -> Finding:
    delay = mail_delay(connection)
    waiting = connection.scalar(select(func.count()).where(OutboxMail.state == QUEUED)) or 0
    mails = pluralize(waiting, "mail is waiting", "mails are waiting")
    summary = f"{mails}, the oldest due for {int(delay.total_seconds())} s"
    if delay > MAX_MAIL_DELAY:
        return failed(summary, "Fix `schedule` and `smtp`. Run flaskauth mail list --state queued.")
    return ok(summary if waiting else "no mail is waiting")


def _check_failed_mail(connection: Connection) -> Finding:
    recent = select(func.count()).where(OutboxMail.state == FAILED, OutboxMail.created_at > clock.now() - DAY)
    if count := connection.scalar(recent):
        return warning(
            f"{pluralize(count, 'mail', 'mails')} failed in the last day", "Run flaskauth mail list --state failed."
        )
    return ok("no mail failed in the last day")


def _check_schedule(connection: Connection) -> Finding:
    """Check the heartbeat of the periodic jobs. A server thread, or beat and a worker, update it twice a minute."""
    advice = CELERY_ADVICE if settings().redis_url else SERVER_ADVICE
    due = connection.scalar(select(ScheduledRun.next_run_at).where(ScheduledRun.name == HEARTBEAT))
    if due is None:
        return warning("no server or worker has run the periodic jobs yet", advice)
    heartbeat_age = clock.now() - (due - HEARTBEAT_INTERVAL)
    if heartbeat_age > MAX_HEARTBEAT_AGE:
        return failed_in_production(
            f"no server or worker has run the periodic jobs since {clock.to_rfc3339(due - HEARTBEAT_INTERVAL)}", advice
        )
    return ok("the periodic jobs run on time")


CHECKS = {
    "signing-keys": _check_signing_keys,
    "secret-fallbacks": _check_fallbacks,
    "factor-policy": _check_factor_policy,
    "totp-secrets": _check_totp_secrets,
    "passkeys": _check_passkeys,
    "outbox": _check_outbox,
    "failed-mail": _check_failed_mail,
    "schedule": _check_schedule,
}
