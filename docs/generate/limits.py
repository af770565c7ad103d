"""The page of limits: requests from the routes, everything else from the constants that the code reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import Any

from docs.generate.limits_told import ABOUT, BUDGETS, REQUESTS, SIZES, SURVIVAL, TIMES, Row

from flaskauth import Settings, create_app
from flaskauth.throttles.service import Allowance

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
UNITS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
NONE = "none"


@dataclass(frozen=True)
class Requests:
    """A route, and how many requests of one network it answers."""

    route: str
    most: str


def page() -> Iterator[str]:
    """The page of the documentation."""
    yield from ABOUT.splitlines()
    yield from SURVIVAL.splitlines()
    yield from REQUESTS.splitlines()
    yield from (f"| `{row.route}` | {row.most} |" for row in requests())
    for heading, rows in (BUDGETS, SIZES, TIMES):
        yield from heading.splitlines()
        yield from (f"| {row.what} | {figure(row)} | {row.by} | {row.kept} | {row.then} |" for row in rows)


def requests() -> list[Requests]:
    """Every route with its limit, as the URL map has it."""
    with TemporaryDirectory() as folder:
        app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": folder}, Path(folder, "no.env")))
    found = []
    for rule in app.url_map.iter_rules():
        limits = getattr(app.view_functions[rule.endpoint], "limits", "")
        path = re.sub(r"<(?:[^<:]+:)?(\w+)>", r"<\1>", rule.rule)
        found += [Requests(f"{method} {path}", in_words(limits)) for method in (rule.methods or set()) & METHODS]
    return sorted(found, key=lambda row: (row.most == NONE, row.route.split()[1], row.route))


def in_words(limits: str) -> str:
    """ "30/minute; 300/hour" as it is said."""
    return " and ".join(re.sub(r"/(?=(h?))", lambda by: " an " if by[1] else " a ", limits).split("; ")) or NONE


def figure(row: Row) -> str:
    """The figures of a row, taken from the code."""
    return row.figure.format(*(_said(constant(name), row.unit) for name in row.of))


def constant(name: str) -> Any:
    """What the code reads: "login.budgets.BY_ADDRESS", or a setting's default: "settings.refresh_grace"."""
    setting = name.removeprefix("settings.")
    return Settings.model_fields[setting].default if setting != name else resolve_name(f"flaskauth.{name}")


def _said(value: Any, unit: int) -> str:
    if isinstance(value, Allowance):
        return f"{value.most:,} in {_said(value.window, 1)}".replace(" in 1 hour", " an hour").replace(
            " in 1 day", " a day"
        )
    if isinstance(value, timedelta):
        name, seconds = next(found for found in UNITS.items() if not value % timedelta(seconds=found[1]))
        times = value // timedelta(seconds=seconds)
        return f"{times:,} {name}{'' if times == 1 else 's'}"
    if isinstance(value, str):
        return in_words(value)
    return f"{value // unit if isinstance(value, int) else value:,}".removesuffix(".0")
