"""python -m benchmarks.timing [--strict]: whether the time of an answer tells who is registered.

For each call that takes an address, pairs of one that is known and one that is not, in random order, each from a
network of its own. Cliff's delta says how often one of a kind took longer than one of the other, from -1 to 1; below
0.2 in either direction nobody learns anything from a few requests. With --strict a larger one ends with 1.
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

from tests.journeys.visitors import NETWORKS, Visitor
from tests.people import form
from tests.registration.asking import NOT_IT

from benchmarks.grounds import PASSWORD, Grounds, grounds
from flaskauth.foundation import clock
from flaskauth.foundation.db import db
from flaskauth.login import budgets
from flaskauth.throttles.models import Budget

NEGLIGIBLE = 0.2
CHEAP, DEAR = 400, 150  # pairs
WARM_UP = 20
PATIENCE = 90.0  # seconds for one call; a slow machine makes fewer pairs
PAUSE = 0.06  # seconds in which the mails of the call before are on their way
COLUMNS = "{:<34} {:>5} {:>9} {:>9} {:>11} {:>8} {:>7}  {}"

Body = Callable[[str], dict[str, str]]


@dataclass(frozen=True)
class Probe:
    """A call about an address; what it answers; what comes before it; the call whose time is taken, if another."""

    name: str
    path: str
    body: Body
    status: int = 200
    pairs: int = CHEAP
    given: Callable[[str], None] = lambda _email: None
    before: tuple[str, Body] | None = None
    then: str = ""


def make_wait(email: str) -> None:
    """As if ten passwords had been wrong."""
    until = clock.now() + timedelta(hours=1)
    key = budgets._key("address", email)
    db.session.merge(Budget(key=key, spent=budgets.BY_ADDRESS.most, resets_at=until, waits_until=until))


def address(email: str) -> dict[str, str]:
    return {"email": email}


def joins(email: str) -> dict[str, str]:
    return form(email, password="eleven blue lanterns")


def guesses(email: str) -> dict[str, str]:
    return {"email": email, "password": "not the password"}


def brings(email: str) -> dict[str, str]:
    return {"email": email, "otp": NOT_IT}


def resets(email: str) -> dict[str, str]:
    return {**brings(email), "password": PASSWORD}


FORGOT = ("/auth/forgot-password", address)
PROBES = [
    Probe("register", "/auth/register", joins, pairs=DEAR),
    Probe("verify by address", "/auth/verify", brings, 401),
    Probe("resend by address", "/auth/resend", address),
    Probe("login", "/auth/login", guesses, 401, DEAR),
    Probe("login in a wait", "/auth/login", guesses, 429, DEAR, make_wait),
    Probe("forgot-password", *FORGOT),
    Probe("reset-password, nothing asked for", "/auth/reset-password", resets, 401),
    Probe("reset-password after forgot", "/auth/reset-password", resets, 401, before=FORGOT),
    Probe("the call right after forgot", *FORGOT, then="/health/live"),
]


@dataclass(frozen=True)
class Found:
    """The seconds that each kind took, pair by pair."""

    known: list[float]
    unknown: list[float]

    @property
    def difference(self) -> float:
        return statistics.median(self._differences)

    @property
    def spread(self) -> float:
        """Between which the middle half of the differences lies."""
        low, _middle, high = statistics.quantiles(self._differences, n=4)
        return high - low

    @property
    def delta(self) -> float:
        """Cliff's delta: how much more often a known one took longer than an unknown one than the other way round."""
        others = sorted(self.unknown)
        more = sum(bisect_left(others, one) - (len(others) - bisect_right(others, one)) for one in self.known)
        return more / (len(self.known) * len(others))

    @property
    def is_negligible(self) -> bool:
        return abs(self.delta) < NEGLIGIBLE

    @property
    def _differences(self) -> list[float]:
        return [known - unknown for known, unknown in zip(self.known, self.unknown, strict=True)]


def measure(where: Grounds, probe: Probe, number: int) -> Found:
    """Ask in pairs about fresh addresses, known and unknown, of one length."""
    count = probe.pairs + WARM_UP
    known, unknown = (list(_addresses(kind, number, count)) for kind in "ku")
    where.add_people(known)
    where.within(lambda: _give(probe, (*known, *unknown)))
    found, end = Found([], []), time.monotonic() + PATIENCE
    with closing(Visitor(where.port)) as visitor:
        for pair in zip(known, unknown, strict=True):
            if time.monotonic() > end:
                break
            kinds = list(zip((found.known, found.unknown), pair, strict=True))
            random.shuffle(kinds)
            for times, email in kinds:
                times.append(_time(visitor, probe, email))
    return Found(found.known[WARM_UP:], found.unknown[WARM_UP:])


def _give(probe: Probe, emails: Sequence[str]) -> None:
    for email in emails:
        probe.given(email)


def _addresses(kind: str, number: int, count: int) -> Iterator[str]:
    return (f"{kind}{number:02}{turn:05}@example.com" for turn in range(count))


def _time(visitor: Visitor, probe: Probe, email: str) -> float:
    """The seconds of one call, from a network that nobody has asked from."""
    if probe.before:
        path, body = probe.before
        visitor.from_network(next(NETWORKS)).post(path, body(email)).expect()
        time.sleep(PAUSE)
    visitor.from_network(next(NETWORKS))
    begun = time.perf_counter()
    visitor.post(probe.path, probe.body(email)).expect(probe.status)
    took = time.perf_counter() - begun
    if probe.then:
        begun = time.perf_counter()
        visitor.get(probe.then).expect()
        took = time.perf_counter() - begun
    time.sleep(PAUSE)
    return took


def line(probe: Probe, found: Found) -> str:
    """One row of the table, in milliseconds."""
    known, unknown = (1000 * statistics.median(times) for times in (found.known, found.unknown))
    verdict = "negligible" if found.is_negligible else "TELLS SOMETHING"
    told = [f"{known:.2f}", f"{unknown:.2f}", f"{1000 * found.difference:+.3f}", f"{1000 * found.spread:.2f}"]
    return COLUMNS.format(probe.name, len(found.known), *told, f"{found.delta:+.2f}", verdict)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timing")
    parser.add_argument("--strict", action="store_true", help="end with 1 where an effect is not negligible")
    parser.add_argument("--only", default="", help="calls whose name has this in it")
    told = parser.parse_args(words)
    probes = [probe for probe in PROBES if told.only in probe.name]
    print(COLUMNS.format("ms", "pairs", "known", "unknown", "difference", "spread", "delta", "verdict"), flush=True)
    results = []
    with grounds() as where:
        for number, probe in enumerate(probes):
            results.append(measure(where, probe, number))
            print(line(probe, results[-1]), flush=True)
    tells = [probe.name for probe, found in zip(probes, results, strict=True) if not found.is_negligible]
    print(f"Beyond {NEGLIGIBLE}: {', '.join(tells)}" if tells else f"Every effect is below {NEGLIGIBLE}: negligible.")
    return 1 if tells and told.strict else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
