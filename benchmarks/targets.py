"""The targets of the benchmarks: for each figure a bound, and the load that shows what a missed target waits for."""

from collections.abc import Mapping
from dataclasses import dataclass

Figures = Mapping[str, float]
Row = tuple[str, str, str, int]  # system, server, operation, connections
OWN, STORM = "flaskauth", "storm"
CONNECTIONS, MANY_CONNECTIONS, STORM_CONNECTIONS = 16, 64, 300


@dataclass(frozen=True)
class Target:
    """A figure by its key, with a label and a lower or upper bound."""

    key: str
    label: str
    bound: float
    unit: str = "x"
    is_maximum: bool = False
    row: Row | None = None

    def is_met(self, figures: Figures) -> bool:
        value = figures[self.key]
        return value <= self.bound if self.is_maximum else value >= self.bound

    def cells(self, figures: Figures) -> list[str]:
        """Return the label, the measured value, the bound, and whether it is reached."""
        value = figures[self.key]
        text = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.2f}"
        bound = f"{'at most' if self.is_maximum else 'at least'} {self.bound:g}"
        cells = [f"{cell} {'' if self.unit == 'x' else self.unit}".rstrip() for cell in (text, bound)]
        return [self.label, *cells, "reached" if self.is_met(figures) else "MISSED"]


def at_least(key: str, label: str, bound: float, unit: str = "x", row: Row | None = None) -> Target:
    return Target(key, label, bound, unit, row=row)


def at_most(key: str, label: str, bound: float, unit: str = "x", row: Row | None = None) -> Target:
    return Target(key, label, bound, unit, is_maximum=True, row=row)


def own_row(operation: str, connections: int = CONNECTIONS, server: str = "serve") -> Row:
    return (OWN, server, operation, connections)


PROFILE, REFRESH, SIGN_IN, REGISTER = map(own_row, ("profile", "refresh", "sign-in", "register"))
BROWSER_PROFILE = own_row("profile, browser")
MANY_PROFILES, MANY_REFRESHES = own_row("profile", MANY_CONNECTIONS), own_row("refresh", MANY_CONNECTIONS)
STORM_PROFILE, STORM_REFRESH = own_row("profile", server=STORM), own_row("refresh", server=STORM)
STORM_SIGN_IN = own_row("sign-in", STORM_CONNECTIONS, STORM)
NATIVE_SIGN_IN: Row = ("flaskauth, native hash", "serve", "sign-in", CONNECTIONS)
BARE_FLASK: Row = ("bare Flask", "granian", "profile", CONNECTIONS)

TARGETS = (
    at_least("profile_bare", "profile, against bare Flask with one primary-key read", 1.2, row=PROFILE),
    at_least("profile_peer", "profile, against the best peer", 5, row=PROFILE),
    at_least("profile_browser", "profile with `Origin` and a cookie, against without", 0.9, row=BROWSER_PROFILE),
    at_least("refresh_peer", "refresh, against the best peer that rotates", 6, row=REFRESH),
    at_most("profile_cpu", "server CPU of a profile, against bare Flask's", 0.8, row=PROFILE),
    at_most("refresh_cpu", "server CPU of a refresh, against bare Flask's", 2, row=REFRESH),
    at_most("profile_switches", "context switches per profile", 6, "", PROFILE),
    at_least("profile_64", "profile with 64 connections, against 16", 1.3, row=MANY_PROFILES),
    at_least("refresh_64", "refresh with 64 connections, against 16", 1.3, row=MANY_REFRESHES),
    at_most("refresh_64_p99", "refresh with 64 connections, p99", 50, "ms", MANY_REFRESHES),
    at_least("sign_in", "sign-in, wheel, against its raw hash rate", 0.82, row=SIGN_IN),
    at_least("sign_in_native", "sign-in, native build, against the raw rate of the wheel", 1.5, row=NATIVE_SIGN_IN),
    at_most("sign_in_cpu", "CPU of a sign-in beside the hash", 4, "ms", SIGN_IN),
    at_most("register_cpu", "CPU of a registration beside the hash", 4, "ms", REGISTER),
    at_least("register", "registration, mail queued, worker stopped, against the raw hash rate", 0.82, row=REGISTER),
    at_most("storm_profile_p99", "storm: profile, p99", 50, "ms", STORM_PROFILE),
    at_most("storm_refresh_p99", "storm: refresh, p99", 100, "ms", STORM_REFRESH),
    at_least("storm_profile", "storm: profile, share of its idle throughput", 0.5, row=STORM_PROFILE),
    at_least("storm_refresh", "storm: refresh, share of its idle throughput", 0.5, row=STORM_REFRESH),
    at_most("storm_sign_in_max", "storm: longest response to a sign-in", 1000, "ms", STORM_PROFILE),
    at_least("storm_sign_in", "storm: sign-ins, share of the calm rate", 0.6, row=STORM_PROFILE),
    at_least("profile_kept", "10 million users against 10 thousand: profile", 0.9),
    at_least("refresh_kept", "10 million users against 10 thousand: refresh", 0.9),
    at_least("lookup_kept", "10 million users against 10 thousand: look-up of a sign-in", 0.9),
    at_most("full_scans", "10 million users: statements with a full table scan", 0, ""),
    at_least("mails_per_second", "mails per second, one worker", 500, ""),
    at_most("mails_sent_twice", "mails sent twice", 0, ""),
    at_most("mails_lost", "mails lost", 0, ""),
    at_most("memory_megabytes", "memory of two processes and helpers after load, PSS", 190, "MB"),
    at_most("start_seconds", "start to first response that queried the database, median", 0.8, "s"),
)
