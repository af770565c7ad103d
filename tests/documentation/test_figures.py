"""Each figure in the concept pages and their diagrams is the one in the code."""

import re
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient
from tests.documentation.blocks import ROOT

from flaskauth import health
from flaskauth.app import schedule
from flaskauth.codes import derive, doors, links
from flaskauth.codes import service as codes
from flaskauth.email_change import service as changes
from flaskauth.foundation.http import view_of
from flaskauth.keys import ring, tokens
from flaskauth.keys import service as keys
from flaskauth.login import budgets
from flaskauth.mail import budget, delivery
from flaskauth.mail import service as mail
from flaskauth.passwords import emails as password_emails
from flaskauth.registration import attempts
from flaskauth.registration import emails as registration_emails
from flaskauth.sessions import devices
from flaskauth.sessions import emails as session_emails
from flaskauth.sessions import service as sessions
from flaskauth.settings import Settings
from flaskauth.throttles import service as throttles

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

ATTEMPTS, SESSIONS, KEYS, OUTBOX = (f"docs/concepts/{name}.md" for name in ("attempts", "sessions", "keys", "outbox"))
ADDRESSES, PASSWORDS = "docs/concepts/addresses.md", "docs/concepts/passwords.md"
LIMITS = {
    "registration.register": "10/minute",
    "passwords.forgot_password": "10/minute",
    "login.login": "30/minute; 300/hour",
}


def default(name: str) -> timedelta:
    """A setting's default, which is in minutes."""
    return timedelta(minutes=Settings.model_fields[name].default)


# The page, what it says, and for each {} the constant and the unit that the page counts it in.
FIGURES: list[tuple[str, str, list[Any]]] = [
    (ATTEMPTS, "lives {} hours", [attempts.LIFE / HOUR]),
    (ATTEMPTS, "has {} letters and digits out of {}: no vowels", [derive.LENGTH, len(derive.ALPHABET)]),
    (ATTEMPTS, "It is good for {} minutes, and once", [codes.LIFE / MINUTE]),
    (ATTEMPTS, "cannot be guessed in {} minutes", [codes.LIFE / MINUTE]),
    (ATTEMPTS, "| {} for the attempt |", [doors.TRIES_BY_ID]),
    (ATTEMPTS, "| {} an hour for the address,", [doors.BY_ADDRESS.most * HOUR / doors.BY_ADDRESS.window]),
    (ATTEMPTS, "of which {} an hour from one network", [doors.BY_ADDRESS_AND_NETWORK.most]),
    (
        ATTEMPTS,
        "| {} an hour for the network, {} an hour in all",
        [doors.ALONE_BY_NETWORK.most, doors.ALONE_IN_ALL.most],
    ),
    (ATTEMPTS, "Past the {} in all", [doors.ALONE_IN_ALL.most]),
    (ATTEMPTS, "first after {} s", [codes.FIRST_RESEND / SECOND]),
    (ATTEMPTS, "While {} minutes of the code are left", [codes.SAME_WHILE_LEFT / MINUTE]),
    (ATTEMPTS, "With the `email` it is always {},", [codes.FIRST_RESEND / SECOND]),
    (ATTEMPTS, "one network | {} an hour |", [budget.TO_ADDRESS_FROM_NETWORK.most]),
    (ATTEMPTS, "in all | {} a day |", [budget.TO_ADDRESS.most * DAY / budget.TO_ADDRESS.window]),
    (ATTEMPTS, "(sessions.md#known-devices-and-networks) | {} a day |", [budget.TO_ADDRESS_IF_KNOWN.most]),
    (SESSIONS, "a signed JWT | {} minutes of calls |", [default("jwt_duration") / MINUTE]),
    (SESSIONS, "once, and {} seconds longer", [Settings.model_fields["refresh_grace"].default]),
    (SESSIONS, "| {} days since its last sign-in |", [devices.KNOWN_DEVICE / DAY]),
    (SESSIONS, "until it expires: {} minutes at most", [default("jwt_duration") / MINUTE]),
    (SESSIONS, "just traded, within {} s of the trade", [Settings.model_fields["refresh_grace"].default]),
    (SESSIONS, "A session ends {} days after its last refresh", [default("session_idle_duration") / DAY]),
    (SESSIONS, "and {} days after its sign-in", [default("refresh_token_duration") / DAY]),
    (SESSIONS, "A person has {} sessions at most", [sessions.MOST_SESSIONS]),
    (SESSIONS, "earlier sign-in, used within {} days", [devices.KNOWN_DEVICE / DAY]),
    (SESSIONS, "signed in from there within {} days", [devices.KNOWN_NETWORK / DAY]),
    (SESSIONS, "from one network | {} | a wait", [budgets.BY_ADDRESS_AND_NETWORK.most]),
    (SESSIONS, "a wait of {} s, doubling", [throttles.FIRST_WAIT / SECOND]),
    (SESSIONS, "up to {} hour |", [throttles.LONGEST_WAIT / HOUR]),
    (SESSIONS, "one address | {} in {} minutes |", [budgets.BY_ADDRESS.most, budgets.BY_ADDRESS.window / MINUTE]),
    (SESSIONS, "in a row | {} |", [budgets.IN_A_ROW.most]),
    (SESSIONS, "the row of {}.", [budgets.IN_A_ROW.most]),
    (SESSIONS, "In a wait, {} passwords", [budgets.IN_A_WAIT.most]),
    (SESSIONS, "More than {} failed sign-ins a minute", [int(budgets.FLOOD.removesuffix("/minute"))]),
    (SESSIONS, "given within the last {} minutes", [tokens.FRESH_FOR / MINUTE]),
    (KEYS, "A key signs for {} days", [keys.ROTATES_AFTER / DAY]),
    (KEYS, "in the JWKS for {} hour before it signs", [keys.PUBLISHED_BEFORE_USE / HOUR]),
    (KEYS, "`JWT_DURATION` and {} s for clocks", [keys.LEEWAY / SECOND]),
    (KEYS, "looks at the table again after {} s", [ring.LOOKS_AGAIN / SECOND]),
    (KEYS, "at most every {} s", [ring.LOOKS_FOR_UNKNOWN / SECOND]),
    (KEYS, "refuses their tokens within {} s", [ring.LOOKS_AGAIN / SECOND]),
    (KEYS, "idle end of {} days", [default("session_idle_duration") / DAY]),
    (OUTBOX, "one conditional UPDATE, for {} s.", [delivery.LEASE / SECOND]),
    (OUTBOX, "the mail server: {} s at most", [(delivery.LEASE - delivery.RESERVE) / SECOND]),
    (OUTBOX, "after {} s, {} s, {} s and so on", [delivery.FIRST_WAIT * times / SECOND for times in (1, 2, 4)]),
    (OUTBOX, "up to {} minutes |", [delivery.LONGEST_WAIT / MINUTE]),
    (OUTBOX, "a code for its {} minutes", [codes.LIFE / MINUTE]),
    (OUTBOX, "somebody who has an account for {} day", [registration_emails.WORTH_SENDING / DAY]),
    (OUTBOX, "stolen refresh token for {} days", [session_emails.WORTH_SENDING / DAY]),
    (OUTBOX, "about a new password for {} days", [password_emails.WORTH_SENDING / DAY]),
    (ADDRESSES, "can take the change back for {} days", [links.LIFE / DAY]),
    (ADDRESSES, "The code is good for {} minutes, {} tries", [codes.LIFE / MINUTE, doors.TRIES_BY_ID]),
    (ADDRESSES, "A person asks at most {} times an hour", [changes.BY_PERSON.most * HOUR / changes.BY_PERSON.window]),
    (ADDRESSES, "once, for {} days from the request", [links.LIFE / DAY]),
    (ADDRESSES, "For those {} days nobody else", [links.LIFE / DAY]),
    (PASSWORDS, "| {} for the reset |", [doors.TRIES_BY_ID]),
    (PASSWORDS, "| {} an hour for the address,", [doors.BY_ADDRESS.most * HOUR / doors.BY_ADDRESS.window]),
    (PASSWORDS, "of which {} an hour from one network", [doors.BY_ADDRESS_AND_NETWORK.most]),
    (PASSWORDS, "after {} minutes. There is no resend", [codes.LIFE / MINUTE]),
    (PASSWORDS, "the row of {} wrong passwords", [budgets.IN_A_ROW.most]),
    (OUTBOX, "less than {} s are left", [2 * delivery.FIRST_WAIT / SECOND]),
    (OUTBOX, "the claim ends after {} s", [delivery.LEASE / SECOND]),
    (OUTBOX, "kept for {} days, dead ones for {} days", [mail.KEPT / DAY, mail.DEAD_KEPT / DAY]),
    (OUTBOX, "more than {} s late", [health.MAIL_LATE / SECOND]),
    ("docs/concepts/attempts.svg", "a code of {} minutes", [codes.LIFE / MINUTE]),
    ("docs/concepts/attempts.svg", "{} tries for the attempt", [doors.TRIES_BY_ID]),
    ("docs/concepts/attempts.svg", "after {} hours", [attempts.LIFE / HOUR]),
    ("docs/concepts/sessions.svg", "grace: {} s", [Settings.model_fields["refresh_grace"].default]),
    ("docs/concepts/sessions.svg", "Two ends: {} days without", [default("session_idle_duration") / DAY]),
    ("docs/concepts/sessions.svg", "absolute end: day {}", [default("refresh_token_duration") / DAY]),
    ("docs/concepts/keys.svg", "Rotation, every {} days", [keys.ROTATES_AFTER / DAY]),
    ("docs/concepts/keys.svg", "{} hour", [keys.PUBLISHED_BEFORE_USE / HOUR]),
    ("docs/concepts/keys.svg", "up to {} s", [ring.LOOKS_AGAIN / SECOND]),
    ("docs/concepts/outbox.svg", "claims it: one UPDATE, {} s", [delivery.LEASE / SECOND]),
    ("docs/concepts/outbox.svg", "again after {} s, {} s,", [delivery.FIRST_WAIT * times / SECOND for times in (1, 2)]),
    ("docs/tutorial.md", "not refreshed for {} days ends", [default("session_idle_duration") / DAY]),
    ("docs/tutorial.md", "good for {} minutes, few tries", [codes.LIFE / MINUTE]),
    ("docs/tutorial.md", "(concepts/keys.md), {} minutes |", [default("jwt_duration") / MINUTE]),
    ("docs/tutorial.md", "| any | {} characters", [Settings.model_fields["password_min_length"].default]),
    ("docs/why.md", "for up to {} minutes", [default("jwt_duration") / MINUTE]),
]


@pytest.mark.parametrize(("page", "phrase", "figures"), FIGURES, ids=[f"{page}: {told}" for page, told, _ in FIGURES])
def test_it_is_the_one_in_the_code(page: str, phrase: str, figures: list[Any]) -> None:
    assert phrase.format(*(f"{figure:,g}" for figure in figures)) in words(page)


def test_a_day_means_a_day() -> None:
    """The pages give some budgets by the hour or the day without showing the window."""
    assert {doors.BY_ADDRESS_AND_NETWORK.window, doors.ALONE_BY_NETWORK.window, doors.ALONE_IN_ALL.window} == {HOUR}
    assert budget.TO_ADDRESS_FROM_NETWORK.window == HOUR
    assert budget.TO_ADDRESS_IF_KNOWN.window == DAY
    assert (attempts.KEPT, budgets.FLOOD.partition("/")[2]) == (DAY, "minute")
    assert budgets.IN_A_WAIT.window == throttles.LONGEST_WAIT


def test_the_sweep_comes_as_often_as_the_pages_say() -> None:
    [sweep] = [job for job in schedule() if job.name == "mail.sweep"]

    for page in (OUTBOX, "docs/concepts/outbox.svg"):
        assert f"very {sweep.every / SECOND:g} s" in words(page)


@ON_SQLITE
def test_the_limits_of_a_network_are_what_the_pages_say(client: FlaskClient) -> None:
    with client.application.app_context():
        limits = {name: getattr(view_of(name), "limits", "") for name in LIMITS}

    assert limits == LIMITS
    assert "limited to 10 a minute from one network" in words(ATTEMPTS)
    assert "there are 30 sign-ins a minute and 300 an hour" in words(SESSIONS)
    assert "limited to 10 a minute" in words(PASSWORDS)


@ON_SQLITE
def test_the_public_keys_are_kept_for_as_long_as_the_page_says(client: FlaskClient) -> None:
    kept = client.get("/.well-known/jwks.json").headers["Cache-Control"].rpartition("max-age=")[2]

    assert f"may be kept for {int(kept) * SECOND / MINUTE:g} minutes" in words(KEYS)


def test_no_letter_of_a_code_is_one_that_the_page_rules_out() -> None:
    assert set(derive.ALPHABET).isdisjoint("AEIOU01LY")
    assert "no vowels, no 0, 1, L and Y" in words(ATTEMPTS)


@cache
def words(page: str) -> str:
    """A page as it is read: without tags, and its lines joined."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return " ".join((re.sub(r"<[^>]+>", " ", text) if page.endswith(".svg") else text).split())
