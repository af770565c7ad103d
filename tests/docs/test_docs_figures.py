"""Figures in the concept pages and diagrams match the constants in the code."""

import re
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.docs.code_blocks import ROOT

from flaskauth import health
from flaskauth.app import periodic_jobs
from flaskauth.core.http.request import get_view
from flaskauth.email_change import service as email_change
from flaskauth.login import throttling
from flaskauth.mail import delivery, outbox
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.mail import service as mail
from flaskauth.one_time_codes import derivation, links, verification
from flaskauth.one_time_codes import service as codes
from flaskauth.rate_limits import service as rate_limits
from flaskauth.registration import pending
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.settings import Settings
from flaskauth.signing_keys import access_tokens, keyring
from flaskauth.signing_keys import service as signing_keys

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

REGISTRATION, SESSIONS, SIGNING_KEYS, OUTBOX = (
    f"docs/concepts/{name}.md" for name in ("registration", "sessions", "signing-keys", "outbox")
)
EMAIL_CHANGE, PASSWORDS = "docs/concepts/email-change.md", "docs/concepts/passwords.md"
ROUTE_LIMITS = {
    "registration.register": "60/minute",
    "passwords.forgot_password": "60/minute",
    "login.login": "300/minute",
}


def setting_default(name: str) -> timedelta:
    """Return the default of a setting that is in minutes."""
    return timedelta(minutes=Settings.model_fields[name].default)


# Page, phrase, and for each {} of the phrase the constant from the code, in the unit of the page.
FIGURES: list[tuple[str, str, list[Any]]] = [
    (REGISTRATION, "registration expires after {} hours", [pending.LIFETIME / HOUR]),
    (REGISTRATION, "has {} letters and digits out of {}: no vowels", [derivation.LENGTH, len(derivation.ALPHABET)]),
    (REGISTRATION, "It is valid for {} minutes and can be used once", [codes.CODE_LIFETIME / MINUTE]),
    (REGISTRATION, "cannot be guessed in {} minutes", [codes.CODE_LIFETIME / MINUTE]),
    (REGISTRATION, "| {} for the registration |", [verification.MAX_ATTEMPTS_BY_ID]),
    (
        REGISTRATION,
        "| {} an hour for the email address,",
        [verification.EMAIL_LIMIT.limit * HOUR / verification.EMAIL_LIMIT.window],
    ),
    (REGISTRATION, "of which {} an hour from one network", [verification.EMAIL_NETWORK_LIMIT.limit]),
    (
        REGISTRATION,
        "| {} an hour for the network, {} an hour in total",
        [verification.CODE_ONLY_NETWORK_LIMIT.limit, verification.CODE_ONLY_GLOBAL_LIMIT.limit],
    ),
    (REGISTRATION, "Above the {} in total", [verification.CODE_ONLY_GLOBAL_LIMIT.limit]),
    (REGISTRATION, "first after {} s", [codes.FIRST_RESEND_DELAY / SECOND]),
    (REGISTRATION, "while {} minutes of its validity are left", [codes.REUSE_THRESHOLD / MINUTE]),
    (REGISTRATION, "With the `email`, it is always {},", [codes.FIRST_RESEND_DELAY / SECOND]),
    (REGISTRATION, "requested from one network | {} an hour |", [mail_limits.EMAIL_NETWORK_LIMIT.limit]),
    (REGISTRATION, "in total | {} a day |", [mail_limits.EMAIL_LIMIT.limit * DAY / mail_limits.EMAIL_LIMIT.window]),
    (
        REGISTRATION,
        "(sessions.md#recognised-devices-and-networks) | {} a day |",
        [mail_limits.RECOGNISED_EMAIL_LIMIT.limit],
    ),
    (SESSIONS, "a signed JWT | {} minutes |", [setting_default("jwt_duration") / MINUTE]),
    (SESSIONS, "one use, repeatable for {} seconds", [Settings.model_fields["refresh_token_reuse_interval"].default]),
    (SESSIONS, "| {} days since its last sign-in |", [devices.DEVICE_RECOGNITION_PERIOD / DAY]),
    (SESSIONS, "until it expires: {} minutes at most", [setting_default("jwt_duration") / MINUTE]),
    (
        SESSIONS,
        "the previous generation, within {} s of the rotation",
        [Settings.model_fields["refresh_token_reuse_interval"].default],
    ),
    (SESSIONS, "A session expires {} days after its last refresh", [setting_default("session_idle_timeout") / DAY]),
    (SESSIONS, "and at the latest {} days after its sign-in", [setting_default("refresh_token_duration") / DAY]),
    (SESSIONS, "A user has {} sessions at most", [sessions.MAX_SESSIONS]),
    (SESSIONS, "earlier sign-in, used within {} days", [devices.DEVICE_RECOGNITION_PERIOD / DAY]),
    (SESSIONS, "signed in from there within {} days", [devices.NETWORK_RECOGNITION_PERIOD / DAY]),
    (SESSIONS, "from one network | {} | a lockout", [throttling.EMAIL_NETWORK_LIMIT.limit]),
    (SESSIONS, "a lockout of {} s, doubling", [rate_limits.FIRST_LOCKOUT / SECOND]),
    (SESSIONS, "up to {} hour |", [rate_limits.MAX_LOCKOUT / HOUR]),
    (
        SESSIONS,
        "one email address | {} in {} minutes |",
        [throttling.EMAIL_LIMIT.limit, throttling.EMAIL_LIMIT.window / MINUTE],
    ),
    (SESSIONS, "consecutive | {} |", [throttling.CONSECUTIVE_LIMIT.limit]),
    (SESSIONS, "resets the count of {}.", [throttling.CONSECUTIVE_LIMIT.limit]),
    (SESSIONS, "During a lockout, {} passwords", [throttling.LOCKOUT_LIMIT.limit]),
    (SESSIONS, "More than {} failed sign-ins a minute", [int(throttling.ATTACK_RATE.removesuffix("/minute"))]),
    (SESSIONS, "the password within the last {} minutes", [access_tokens.FRESH_LIFETIME / MINUTE]),
    (SIGNING_KEYS, "A key signs for {} days", [signing_keys.ROTATION_INTERVAL / DAY]),
    (SIGNING_KEYS, "in the JWKS for {} hour before it signs", [signing_keys.PUBLICATION_LEAD / HOUR]),
    (SIGNING_KEYS, "`JWT_DURATION` and {} s for clock skew", [signing_keys.LEEWAY / SECOND]),
    (SIGNING_KEYS, "reloads the keys after {} s", [keyring.RELOAD_INTERVAL / SECOND]),
    (SIGNING_KEYS, "at most every {} s", [keyring.UNKNOWN_KEY_RELOAD_INTERVAL / SECOND]),
    (SIGNING_KEYS, "reject their tokens within {} s", [keyring.RELOAD_INTERVAL / SECOND]),
    (SIGNING_KEYS, "idle timeout of {} days", [setting_default("session_idle_timeout") / DAY]),
    (OUTBOX, "by one conditional UPDATE, for {} s.", [delivery.LEASE / SECOND]),
    (OUTBOX, "This takes {} s at most", [(delivery.LEASE - delivery.LEASE_RESERVE) / SECOND]),
    (
        OUTBOX,
        "retried after {} s, {} s, {} s and so on",
        [delivery.FIRST_RETRY_DELAY * times / SECOND for times in (1, 2, 4)],
    ),
    (OUTBOX, "up to {} minutes |", [delivery.MAX_RETRY_DELAY / MINUTE]),
    (OUTBOX, "a code for its {} minutes", [codes.CODE_LIFETIME / MINUTE]),
    (OUTBOX, "the notice about an existing account for {} day", [pending.NOTICE_LIFETIME / DAY]),
    (OUTBOX, "the notice about a reused refresh token for {} days", [outbox.NOTIFICATION_LIFETIME / DAY]),
    (OUTBOX, "about a new password for {} days", [outbox.NOTIFICATION_LIFETIME / DAY]),
    (EMAIL_CHANGE, "For {} days, the owner of the old address can revert the change", [links.LIFETIME / DAY]),
    (
        EMAIL_CHANGE,
        "The code is valid for {} minutes, for {} attempts",
        [codes.CODE_LIFETIME / MINUTE, verification.MAX_ATTEMPTS_BY_ID],
    ),
    (
        EMAIL_CHANGE,
        "A user can make at most {} requests an hour",
        [email_change.USER_LIMIT.limit * HOUR / email_change.USER_LIMIT.window],
    ),
    (EMAIL_CHANGE, "once, for {} days from the request", [links.LIFETIME / DAY]),
    (EMAIL_CHANGE, "During those {} days the old address is reserved", [links.LIFETIME / DAY]),
    (PASSWORDS, "| {} for the reset |", [verification.MAX_ATTEMPTS_BY_ID]),
    (
        PASSWORDS,
        "| {} an hour for the email address,",
        [verification.EMAIL_LIMIT.limit * HOUR / verification.EMAIL_LIMIT.window],
    ),
    (PASSWORDS, "of which {} an hour from one network", [verification.EMAIL_NETWORK_LIMIT.limit]),
    (PASSWORDS, "after {} minutes. There is no resend", [codes.CODE_LIFETIME / MINUTE]),
    (PASSWORDS, "the count of {} consecutive wrong passwords", [throttling.CONSECUTIVE_LIMIT.limit]),
    (OUTBOX, "less than {} s left", [2 * delivery.FIRST_RETRY_DELAY / SECOND]),
    (OUTBOX, "the claim expires after {} s", [delivery.LEASE / SECOND]),
    (OUTBOX, "kept for {} days, failed ones for {} days", [mail.RETENTION / DAY, mail.FAILED_RETENTION / DAY]),
    (OUTBOX, "more than {} s late", [health.MAX_MAIL_DELAY / SECOND]),
    ("docs/concepts/registration.svg", "code valid for {} minutes", [codes.CODE_LIFETIME / MINUTE]),
    ("docs/concepts/registration.svg", "{} attempts for the registration", [verification.MAX_ATTEMPTS_BY_ID]),
    ("docs/concepts/registration.svg", "after {} hours", [pending.LIFETIME / HOUR]),
    (
        "docs/concepts/sessions.svg",
        "reuse interval: {} s",
        [Settings.model_fields["refresh_token_reuse_interval"].default],
    ),
    ("docs/concepts/sessions.svg", "Expiry: {} days without", [setting_default("session_idle_timeout") / DAY]),
    ("docs/concepts/sessions.svg", "absolute expiry: day {}", [setting_default("refresh_token_duration") / DAY]),
    ("docs/concepts/signing-keys.svg", "Rotation, every {} days", [signing_keys.ROTATION_INTERVAL / DAY]),
    ("docs/concepts/signing-keys.svg", "{} hour", [signing_keys.PUBLICATION_LEAD / HOUR]),
    ("docs/concepts/signing-keys.svg", "up to {} s", [keyring.RELOAD_INTERVAL / SECOND]),
    ("docs/concepts/outbox.svg", "claim: one UPDATE, {} s", [delivery.LEASE / SECOND]),
    (
        "docs/concepts/outbox.svg",
        "retry after {} s, {} s,",
        [delivery.FIRST_RETRY_DELAY * times / SECOND for times in (1, 2)],
    ),
    (
        "docs/how-to/migrate-from-the-tutorial.md",
        "expires after {} days without use",
        [setting_default("session_idle_timeout") / DAY],
    ),
    ("docs/how-to/migrate-from-the-tutorial.md", "valid for {} minutes, few attempts", [codes.CODE_LIFETIME / MINUTE]),
    (
        "docs/how-to/migrate-from-the-tutorial.md",
        "(../concepts/signing-keys.md), {} minutes |",
        [setting_default("jwt_duration") / MINUTE],
    ),
    (
        "docs/how-to/migrate-from-the-tutorial.md",
        "| any | {} characters",
        [Settings.model_fields["password_min_length"].default],
    ),
    ("docs/concepts/design-decisions.md", "for up to {} minutes", [setting_default("jwt_duration") / MINUTE]),
]


@pytest.mark.parametrize(
    ("page", "phrase", "figures"), FIGURES, ids=[f"{page}: {phrase}" for page, phrase, _ in FIGURES]
)
def test_figure_on_page_matches_the_code(page: str, phrase: str, figures: list[Any]) -> None:
    assert phrase.format(*(f"{figure:,g}" for figure in figures)) in page_text(page)


def test_rate_limit_windows_match_the_pages() -> None:
    """Some limits on the pages state a unit (an hour, a day) and not the window."""
    assert {
        verification.EMAIL_NETWORK_LIMIT.window,
        verification.CODE_ONLY_NETWORK_LIMIT.window,
        verification.CODE_ONLY_GLOBAL_LIMIT.window,
    } == {HOUR}
    assert mail_limits.EMAIL_NETWORK_LIMIT.window == HOUR
    assert mail_limits.RECOGNISED_EMAIL_LIMIT.window == DAY
    assert (pending.RETENTION, throttling.ATTACK_RATE.partition("/")[2]) == (DAY, "minute")
    assert throttling.LOCKOUT_LIMIT.window == rate_limits.MAX_LOCKOUT


def test_mail_sweep_interval_matches_the_pages() -> None:
    [sweep] = [job for job in periodic_jobs() if job.name == "mail.sweep"]

    for page in (OUTBOX, "docs/concepts/outbox.svg"):
        assert f"very {sweep.interval / SECOND:g} s" in page_text(page)


@ON_SQLITE
def test_route_rate_limits_match_the_pages(client: FlaskClient) -> None:
    with client.application.app_context():
        settings = {name: getattr(get_view(name), "limits", "") for name in ROUTE_LIMITS}
    limits = {name: Settings.model_fields[setting].default for name, setting in settings.items()}

    assert limits == ROUTE_LIMITS
    assert "limited to 60 a minute from one network" in page_text(REGISTRATION)
    assert "limited to 30 wrong passwords a minute and 300 an hour" in page_text(SESSIONS)
    assert "limited to 60 a minute" in page_text(PASSWORDS)


@ON_SQLITE
def test_jwks_cache_lifetime_matches_the_page(client: FlaskClient) -> None:
    max_age = client.get("/.well-known/jwks.json").headers["Cache-Control"].rpartition("max-age=")[2]

    assert f"may be cached for {int(max_age) * SECOND / MINUTE:g} minutes" in page_text(SIGNING_KEYS)


def test_otp_alphabet_matches_the_page() -> None:
    assert set(derivation.ALPHABET).isdisjoint("AEIOU01LY")
    assert "no vowels, no 0, 1, L and Y" in page_text(REGISTRATION)


@cache
def page_text(page: str) -> str:
    """Return the text of a page without SVG tags, on one line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return " ".join((re.sub(r"<[^>]+>", " ", text) if page.endswith(".svg") else text).split())
