"""python -m benchmarks.timing [--strict]: whether response times reveal which email addresses are registered.

Each probe sends pairs of requests in random order, one for a registered and one for an unregistered email address, each
from its own network. Cliff's delta, from -1 to 1, states how often a request of one kind took longer than one of the
other. Below 0.2 in either direction, an attacker learns nothing from a few requests. With --strict, a larger effect
exits with 1.
"""

import argparse
import random
import statistics
import sys
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import insert, select, update
from tests.e2e.http_client import CLIENT_IPS, HttpClient
from tests.registration.helpers import WRONG_CODE
from tests.support.users import registration_form

from benchmarks.environment import PASSWORD, RunningServer, running_server, user_row
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.crypto import sha256
from flaskauth.core.db.session import db
from flaskauth.core.ids import new_id
from flaskauth.login import throttling
from flaskauth.login.throttling import LoginAttempt
from flaskauth.mfa.models import LoginChallenge
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.sessions.models import Session

NEGLIGIBLE = 0.2
FAST_CALL_PAIRS, HASHING_CALL_PAIRS = 400, 150  # pairs
WARM_UP = 20
TIME_LIMIT = 90.0  # seconds per probe; a slow machine measures fewer pairs
PAUSE = 0.06  # seconds for the mails of the previous request to be sent
COLUMNS = "{:<34} {:>5} {:>9} {:>9} {:>11} {:>8} {:>7}  {}"

Body = Callable[[str], dict[str, str]]


@dataclass(frozen=True)
class Probe:
    """A request about an email address: its expected status, a setup, a request before it, and the timed request."""

    name: str
    path: str
    body: Body
    status: int = 200
    pairs: int = FAST_CALL_PAIRS
    setup: Callable[[str], None] = lambda _email: None
    prior_call: tuple[str, Body] | None = None
    timed_path: str = ""


def lock_email(email: str) -> None:
    """Lock the email address, as ten wrong passwords do."""
    locked_until = clock.now() + timedelta(hours=1)
    key = throttling._attempt_key("address", LoginAttempt(email, ""))
    db.session.merge(
        RateLimitCounter(key=key, count=throttling.EMAIL_LIMIT.limit, resets_at=locked_until, locked_until=locked_until)
    )


def turn_mfa_on(email: str) -> None:
    db.session.execute(update(User).where(User.normalized_email == email).values(mfa_enabled=True))


def begin_second_step(email: str) -> None:
    """Insert a login challenge, whose token is the email address, for a user with MFA on.

    Users of this script have used a second factor on the device, so that they may remove their factors. The others,
    which are added here, have not.
    """
    user_id = db.session.scalar(select(User.id).where(User.normalized_email == email))
    methods = "pwd" if user_id is None else "pwd otp mfa"
    if user_id is None:
        user_id = new_id()
        db.session.execute(insert(User).values(user_row(user_id, email, "")))
    now, later, device_id = clock.now(), clock.now() + timedelta(hours=1), user_id
    turn_mfa_on(email)
    session = {"id": user_id, "nonce": bytes(32), "generation": 1, "network": "", "ip": "", "user_agent": ""}
    times = {"created_at": now, "last_used_at": now, "idle_expires_at": later, "expires_at": later}
    db.session.execute(insert(Session).values(user_id=user_id, device_id=device_id, amr=methods, **session, **times))
    challenge = {"id": user_id, "token_digest": sha256(email.encode()), "credential_version": 0, "amr": "pwd"}
    state = {"device_id": device_id, "network": "", "attempts": 0, "created_at": now, "expires_at": later}
    db.session.execute(insert(LoginChallenge).values(user_id=user_id, **challenge, **state))


def challenge_body(email: str) -> dict[str, str]:
    return {"challenge_token": email}


def email_body(email: str) -> dict[str, str]:
    return {"email": email}


def registration_body(email: str) -> dict[str, str]:
    return registration_form(email, password="eleven blue lanterns")


def login_body(email: str) -> dict[str, str]:
    return {"email": email, "password": "not the password"}


def verification_body(email: str) -> dict[str, str]:
    return {"email": email, "otp": WRONG_CODE}


def reset_body(email: str) -> dict[str, str]:
    return {**verification_body(email), "password": PASSWORD}


FORGOT_PASSWORD = ("/auth/forgot-password", email_body)
EMAIL_CODE = ("/auth/email-code", email_body)
PROBES = [
    Probe("register", "/auth/register", registration_body, pairs=HASHING_CALL_PAIRS),
    Probe("verify by email", "/auth/verify", verification_body, 401),
    Probe("resend by email", "/auth/resend", email_body),
    Probe("login", "/auth/login", login_body, 401, HASHING_CALL_PAIRS),
    Probe("login during lockout", "/auth/login", login_body, 429, HASHING_CALL_PAIRS, lock_email),
    Probe("login, MFA on", "/auth/login", login_body, 401, HASHING_CALL_PAIRS, turn_mfa_on),
    Probe("lost-factor, allowed", "/auth/lost-factor", challenge_body, setup=begin_second_step),
    Probe("forgot-password", *FORGOT_PASSWORD),
    Probe("reset-password, none requested", "/auth/reset-password", reset_body, 401),
    Probe("reset-password after forgot", "/auth/reset-password", reset_body, 401, prior_call=FORGOT_PASSWORD),
    Probe("email-code", *EMAIL_CODE),
    Probe("email-code, wrong code", "/auth/email-code/verify", verification_body, 401, prior_call=EMAIL_CODE),
    Probe("health check after forgot", *FORGOT_PASSWORD, timed_path="/health/live"),
]


@dataclass(frozen=True)
class Timings:
    """The seconds of requests for registered (known) and unregistered (unknown) email addresses, pair by pair."""

    known: list[float]
    unknown: list[float]

    @property
    def difference(self) -> float:
        return statistics.median(self._differences)

    @property
    def spread(self) -> float:
        """Return the interquartile range of the differences."""
        low, _middle, high = statistics.quantiles(self._differences, n=4)
        return high - low

    @property
    def delta(self) -> float:
        """Return Cliff's delta: how much more often a known email took longer than an unknown one than vice versa."""
        unknown = sorted(self.unknown)
        excess = sum(
            bisect_left(unknown, seconds) - (len(unknown) - bisect_right(unknown, seconds)) for seconds in self.known
        )
        return excess / (len(self.known) * len(unknown))

    @property
    def is_negligible(self) -> bool:
        return abs(self.delta) < NEGLIGIBLE

    @property
    def _differences(self) -> list[float]:
        return [known - unknown for known, unknown in zip(self.known, self.unknown, strict=True)]


def measure(server: RunningServer, probe: Probe, number: int) -> Timings:
    """Send pairs of requests about new email addresses of equal length, one registered and one not."""
    count = probe.pairs + WARM_UP
    known, unknown = (list(_emails(prefix, number, count)) for prefix in "ku")
    server.add_users(known)
    server.in_transaction(lambda: _run_setup(probe, (*known, *unknown)))
    timings, deadline = Timings([], []), time.monotonic() + TIME_LIMIT
    with closing(HttpClient(server.port)) as http_client:
        for pair in zip(known, unknown, strict=True):
            if time.monotonic() > deadline:
                break
            samples = list(zip((timings.known, timings.unknown), pair, strict=True))
            random.shuffle(samples)
            for times, email in samples:
                times.append(_measure_call(http_client, probe, email))
    return Timings(timings.known[WARM_UP:], timings.unknown[WARM_UP:])


def _run_setup(probe: Probe, emails: Sequence[str]) -> None:
    for email in emails:
        probe.setup(email)


def _emails(prefix: str, number: int, count: int) -> Iterator[str]:
    return (f"{prefix}{number:02}{index:05}@example.com" for index in range(count))


def _measure_call(http_client: HttpClient, probe: Probe, email: str) -> float:
    """Send one request from an unused network and return its seconds."""
    if probe.prior_call:
        path, body = probe.prior_call
        http_client.use_client_ip(next(CLIENT_IPS)).post(path, body(email)).expect()
        time.sleep(PAUSE)
    http_client.use_client_ip(next(CLIENT_IPS))
    started = time.perf_counter()
    http_client.post(probe.path, probe.body(email)).expect(probe.status)
    seconds = time.perf_counter() - started
    if probe.timed_path:
        started = time.perf_counter()
        http_client.get(probe.timed_path).expect()
        seconds = time.perf_counter() - started
    time.sleep(PAUSE)
    return seconds


def format_row(probe: Probe, timings: Timings) -> str:
    """Return one row of the table, in milliseconds."""
    known, unknown = (1000 * statistics.median(times) for times in (timings.known, timings.unknown))
    verdict = "negligible" if timings.is_negligible else "SIGNIFICANT"
    cells = [f"{known:.2f}", f"{unknown:.2f}", f"{1000 * timings.difference:+.3f}", f"{1000 * timings.spread:.2f}"]
    return COLUMNS.format(probe.name, len(timings.known), *cells, f"{timings.delta:+.2f}", verdict)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if an effect is not negligible")
    parser.add_argument("--only", default="", help="run only the probes whose name contains this text")
    options = parser.parse_args(arguments)
    probes = [probe for probe in PROBES if options.only in probe.name]
    print(COLUMNS.format("ms", "pairs", "known", "unknown", "difference", "spread", "delta", "verdict"), flush=True)
    results = []
    with running_server() as server:
        for number, probe in enumerate(probes):
            results.append(measure(server, probe, number))
            print(format_row(probe, results[-1]), flush=True)
    significant = [probe.name for probe, timings in zip(probes, results, strict=True) if not timings.is_negligible]
    if significant:
        print(f"Above {NEGLIGIBLE}: {', '.join(significant)}")
    else:
        print(f"Every effect is below {NEGLIGIBLE}: negligible.")
    return 1 if significant and options.strict else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
