"""The page of limits: each figure is the code's and the contract's, and no limit is missing from it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.generate.limits import constant
from docs.generate.limits_told import BUDGETS, SIZES, TIMES
from flask import Flask
from tests.documentation.blocks import ROOT
from tests.routes import METHODS

SRC = ROOT / "src" / "flaskauth"
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
CAP = re.compile(r"(MOST|LARGEST|LONGEST|FEWEST)(_|$)")
ROWS = [row for _heading, rows in (BUDGETS, SIZES, TIMES) for row in rows]

# What was promised, whatever the code says: (what, counted by) -> figure.
PROMISED = {
    ("Passwords", "address and network"): "5 a day",
    ("Passwords", "address"): "10 in 15 minutes",
    ("Wrong passwords in a row", "address"): "100",
    ("Passwords in a wait", "address, and known device or network"): "10 an hour",
    ("A wait for passwords", "budget"): "30 seconds at first; 1 hour at most",
    ("Codes by id", "attempt, reset or change"): "5",
    ("Codes by address", "purpose and address"): "10 an hour",
    ("Codes by address", "purpose, address and network"): "5 an hour",
    ("Codes alone", "purpose and network"): "10 an hour",
    ("Codes alone", "purpose"): "1,000 an hour",
    ("Mails that strangers ask for", "address and network"): "3 an hour",
    ("Mails that strangers ask for", "address"): "20 a day",
    ("Mails asked for from a known network", "address"): "5 a day",
    ("A code mailed again", "attempt"): "after 1 minute, doubling each time",
    ("Open sessions", "person"): "20",
    ("Body", "request"): "64 KiB",
    ("Picture", "file"): "5 MiB",
    ("Password", "request"): "8 to 256 characters; 1,024 bytes",
    ("Guesses that a password must take", "password"): "100,000,000",
    ("Passwords waiting to be hashed", "process"): "0.5 s of work",
    ("A code", "code"): "10 minutes",
    ("An attempt to join", "attempt"): "1 day",
    ("A link that takes back", "link"): "7 days",
    ("Closing an account", "person"): "7 days",
    ("A device is known", "last use"): "180 days",
    ("A network is known", "sign-in"): "30 days",
    ("A token is fresh", "token"): "10 minutes",
    ("An access token", "token"): "10 minutes",
    ("A session without use", "session"): "14 days",
    ("A session", "session"): "30 days",
    ("The token before, again", "session"): "30 s",
}
PROMISED_OF_A_NETWORK = {
    "POST /auth/login": "30 a minute and 300 an hour",
    "POST /auth/register": "10 a minute",
    "POST /auth/forgot-password": "10 a minute",
}
# Caps that nobody meets who asks: why they are not on the page.
NOT_MET = {
    "breaches.": "of the filter's file and of the service's answer",
    "bloom.": "of the filter's file",
    "audit.sealing.": "of a seal, which a job makes",
    "doctor.": "of the doctor, a command",
    "users.": "of an import, a command",
    "commands.": "of a command",
    "foundation.foreign_hashes.": "of hashes that an import brings",
    "foundation.log.": "of a line in the log",
    "foundation.db.": "of a race that is run again",
    "foundation.shortcuts.": "of a shortcut; what goes over it goes Flask's road",
    "foundation.ids.": "of numbers made here",
    "foundation.schemas.": "of numbers made here",
    "mail.delivery.": "of the mail server's failures",
}


def cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.strip("|").split(" | ")]


def tables() -> list[list[str]]:
    """Every row of the page's tables."""
    lines = (ROOT / "docs/limits.md").read_text(encoding="utf-8").splitlines()
    return [cells(line) for line in lines if line.startswith("|") and not line.startswith("|---")]


def told() -> dict[str, str]:
    """What the page says of each route."""
    return {row[0]: row[1] for row in tables() if len(row) == 2 and row[0] != "route"}


@ON_SQLITE
def test_each_route_and_its_limit_is_on_the_page_and_nothing_else_is(app: Flask) -> None:
    limits = {
        f"{method} {re.sub(r'<[^<:]+:', '<', rule.rule)}": getattr(app.view_functions[rule.endpoint], "limits", "")
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & METHODS
    }

    assert {route: as_written(most) for route, most in told().items()} == limits


def as_written(most: str) -> str:
    """ "30 a minute and 300 an hour" as a route says it."""
    return "" if most == "none" else re.sub(r" an? ", "/", most).replace(" and ", "; ")


def test_what_was_promised_of_a_network_is_kept() -> None:
    assert {route: most for route, most in told().items() if route in PROMISED_OF_A_NETWORK} == (PROMISED_OF_A_NETWORK)


def test_what_was_promised_is_on_the_page() -> None:
    found: dict[tuple[str, str], list[str]] = {}
    for what, figure, by, *_rest in (row for row in tables() if len(row) == 5):
        found.setdefault((what, by), []).append(figure)

    assert {about: "; ".join(found.get(about, [])) for about in PROMISED} == PROMISED


def test_each_budget_and_cap_in_the_code_is_on_the_page() -> None:
    named = {".".join(name.split(".")[:3]) for row in ROWS for name in row.of}
    unmet = tuple(NOT_MET)

    assert {name for name in constants() if not name.startswith(unmet)} - named == set()


def test_what_is_not_on_the_page_is_still_there() -> None:
    assert [room for room in NOT_MET if not any(name.startswith(room) for name in constants())] == []


def test_each_row_is_held_by_a_constant() -> None:
    for row in ROWS:
        assert row.figure.count("{}") == len(row.of), row.what
        assert [constant(name) for name in row.of], row.what


def constants() -> set[str]:
    """Every constant that is an allowance, or by its name a cap."""
    return {
        f"{module}.{name}"
        for path in SRC.rglob("*.py")
        for module in [".".join(path.relative_to(SRC).with_suffix("").parts)]
        for name in _caps(path)
    }


def _caps(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            made = value.func if isinstance(value, ast.Call) else None
            if CAP.match(name) or (isinstance(made, ast.Name) and made.id == "Allowance"):
                yield name
