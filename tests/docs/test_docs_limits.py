"""The limits page: its figures match the code and the contract, and no limit is missing."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from docs.generate.limits import constant
from docs.generate.limits_crowds import CROWD_ROWS, Crowd
from docs.generate.limits_text import COUNTERS, SIZES, TIMES
from flask import Flask
from tests.docs.code_blocks import ROOT
from tests.support.route_catalog import METHODS

from flaskauth import Settings
from flaskauth.rate_limits import service as rate_limits

SRC = ROOT / "src" / "flaskauth"
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
LIMIT_NAME = re.compile(r"(MAX|MIN)_")
ROWS = [row for _heading, rows in (COUNTERS, SIZES, TIMES) for row in rows]

# Figures that the contract fixes, independent of the code: (what, counted per) -> figure.
CONTRACT_FIGURES = {
    ("Passwords", "email address and network"): "5 a day",
    ("Passwords", "email address"): "10 in 15 minutes",
    ("Consecutive wrong passwords", "email address"): "100",
    ("Wrong passwords, except of recognised devices", "network"): "30 a minute and 300 an hour",
    ("Passwords during a lockout", "email address, and recognised device or network"): "10 an hour",
    ("Password lockout", "counter"): "30 seconds at first; 1 hour at most",
    ("Codes by id", "request of a code"): "5",
    ("Codes by email address", "purpose and email address"): "10 an hour",
    ("Codes by email address", "purpose, email address and network"): "5 an hour",
    ("Codes alone", "purpose and network"): "10 an hour",
    ("Codes alone", "purpose"): "1,000 an hour",
    ("Mails requested without an access token", "mailbox and network"): "3 an hour",
    ("Mails requested without an access token", "network"): "60 an hour and 200 a day",
    ("Mails requested without an access token", "mailbox"): "20 a day",
    ("Mails requested from a recognised device or network", "mailbox"): "5 a day",
    ("Resending a code", "pending registration"): "after 1 minute, doubling each time",
    ("Active sessions", "user"): "20",
    ("Body", "request"): "64 KiB",
    ("Avatar", "file"): "5 MiB",
    ("Password", "request"): "8 to 256 characters; 1,024 bytes",
    ("Password strength, in guesses, at least", "password"): "100,000,000",
    ("Passwords waiting to be hashed", "process"): "0.5 s of work",
    ("Code", "code"): "10 minutes",
    ("Pending registration", "registration"): "1 day",
    ("Email link that reverts a change", "link"): "7 days",
    ("Delay of an account deletion", "user"): "7 days",
    ("Recognised device", "last use"): "180 days",
    ("Recognised network", "sign-in"): "30 days",
    ("Fresh access token", "token"): "10 minutes",
    ("Access token", "token"): "10 minutes",
    ("Idle session", "session"): "14 days",
    ("Session", "session"): "30 days",
    ("Reuse of the previous refresh token", "session"): "30 s",
}
CONTRACT_ROUTE_LIMITS = {
    "POST /auth/login": "300 a minute",
    "POST /auth/register": "60 a minute",
    "POST /auth/forgot-password": "60 a minute",
}
# Limits that no request of a client reaches, with the reason why the page omits them.
EXCLUDED_PREFIXES = {
    "passkeys.responses.MAX_CREDENTIAL_ID_LENGTH": "by WebAuthn",
    "passkeys.responses.MAX_USER_HANDLE_LENGTH": "by WebAuthn",
    "passkeys.verification.": "sizes of the keys that browsers create",
    "accounts.schemas.MAX_LOCALE_LENGTH": "longer tags are shortened, not rejected",
    "accounts.password_policy.MIN_WORD_LENGTH": "part of the password strength estimate",
    "audit.": "background sealing and a command",
    "bloom_filter.": "format of the filter file",
    "breached_passwords.": "filter file and responses of the range API",
    "cli.": "commands",
    "core.db.session.": "retries of a transaction",
    "core.jobs.batches.MAX_BATCH": "larger groups of requests are divided",
    "core.http.schemas.": "range of generated ids",
    "core.ids.": "range of generated ids",
    "core.observability.log.": "length of a log value",
    "core.passwords.hash_process.": "packets between processes of the server",
    "core.passwords.legacy.": "imported password hashes",
    "core.translations.": "characters of Accept-Language that are read",
    "countries.service.": "range of ISO 3166-1 numbers",
    "doctor.": "a command",
    "health.": "thresholds of the health check",
    "mail.delivery.": "retries towards the mail server",
    "mail.link_detection.": "detection of links in names",
    "mail.smtp.": "replies of the mail server",
    "migrations.": "a command",
    "web.": "longer cookies and URLs to return to are ignored",
    "server.fast_path.": "Flask or a 503 handles the request",
    "sessions.routes.MAX_PLAIN_BODY": "Flask reads larger bodies",
    "server.request_buffer.MAX_SMALL_BODY": "larger bodies need an upload slot, which the page lists",
    "server.request_buffer.MAX_UPLOAD_BODY": "above the avatar limit, which the page lists",
    "server.request_buffer.MIN_BYTES_PER_SECOND": "in the row of the body timeout",
    "settings.fields.": "validation of settings",
    "settings.model.": "validation of settings",
    "user_admin.": "import, a command",
}


def split_cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.strip("|").split(" | ")]


def table_rows() -> list[list[str]]:
    """Return the cells of every row of the page's tables."""
    lines = (ROOT / "docs/reference/limits.md").read_text(encoding="utf-8").splitlines()
    return [split_cells(line) for line in lines if line.startswith("|") and not line.startswith("|---")]


def route_limits() -> dict[str, str]:
    """Return the rate limit of each route on the page."""
    return {row[0]: row[2] for row in table_rows() if len(row) == 3 and row[0] != "route"}


@ON_SQLITE
def test_limits_page_lists_rate_limit_of_every_route(app: Flask) -> None:
    limits = {
        f"{method} {re.sub(r'<[^<:]+:', '<', rule.rule)}": getattr(app.view_functions[rule.endpoint], "limits", "")
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & METHODS
    }

    defaults = {route: default_of(f"settings.{setting}") if setting else "" for route, setting in limits.items()}
    assert {route: to_limit_string(rate) for route, rate in route_limits().items()} == defaults


@pytest.mark.parametrize("row", CROWD_ROWS, ids=lambda row: f"{row.crowd}: {row.action}")
def test_limits_page_crowds_stay_within_the_defaults(row: Crowd) -> None:
    for limit in rate_limits.parse(str(constant(f"settings.{row.setting}"))):
        minutes = limit.window / timedelta(minutes=1)
        assert row.requests * min(1, minutes / row.minutes) <= limit.limit


def test_limits_page_example_settings_are_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/limits.md").read_text(encoding="utf-8")
    examples = re.findall(r"`(RATE_LIMIT_\w+)=([^`]+)`", page)

    assert len(examples) > 5
    for name, value in examples:
        settings = Settings.load({name: value, "FLASKAUTH_INSTANCE_PATH": str(tmp_path)}, tmp_path / "no.env")
        assert (getattr(settings, name.lower()), settings.warnings()) == (value, [])


def default_of(setting: str) -> str:
    return str(constant(setting))


def to_limit_string(rate: str) -> str:
    """Return the limit string of a route, such as "30/minute; 300/hour", for "30 a minute and 300 an hour"."""
    return "" if rate == "none" else re.sub(r" an? ", "/", rate).replace(" and ", "; ")


def test_limits_page_route_limits_match_the_contract() -> None:
    assert {route: rate for route, rate in route_limits().items() if route in CONTRACT_ROUTE_LIMITS} == (
        CONTRACT_ROUTE_LIMITS
    )


def test_limits_page_figures_match_the_contract() -> None:
    figures: dict[tuple[str, str], list[str]] = {}
    for what, figure, counted_per, *_rest in (row for row in table_rows() if len(row) == 5):
        figures.setdefault((what, counted_per), []).append(figure)

    assert {key: "; ".join(figures.get(key, [])) for key in CONTRACT_FIGURES} == CONTRACT_FIGURES


def test_limits_page_lists_every_limit_constant() -> None:
    listed = {name.removesuffix(".limit") for row in ROWS for name in row.constants}
    excluded = tuple(EXCLUDED_PREFIXES)

    assert {name for name in limit_constants() if not name.startswith(excluded)} - listed == set()


def test_limits_page_excluded_constants_still_exist() -> None:
    names = limit_constants()

    assert [prefix for prefix in EXCLUDED_PREFIXES if not any(name.startswith(prefix) for name in names)] == []


def test_limits_page_rows_are_backed_by_constants() -> None:
    for row in ROWS:
        assert row.figure.count("{}") == len(row.constants), row.what
        assert [constant(name) for name in row.constants], row.what


def limit_constants() -> set[str]:
    """Return every module constant that is a RateLimit, or a limit by its name."""
    return {
        f"{module}.{name}"
        for path in SRC.rglob("*.py")
        for module in [".".join(path.relative_to(SRC).with_suffix("").parts)]
        for name in _limit_names(path)
    }


def _limit_names(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
            called = value.func if isinstance(value, ast.Call) else None
            if LIMIT_NAME.match(name) or (isinstance(called, ast.Name) and called.id == "RateLimit"):
                yield name
