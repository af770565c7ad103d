"""The limits page: rate limits from the routes, all other limits from the constants in the code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory

from docs.generate.limits_crowds import CROWD_ROWS, CROWDS, EXAMPLES, ONE_ADDRESS, SETTINGS_FOR_CROWDS
from docs.generate.limits_text import ABOUT, COUNTERS, PERSISTENCE, REQUESTS, SIZES, TIMES, Row

from flaskauth import Settings, create_app
from flaskauth.rate_limits.service import RateLimit

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
UNITS = {"day": 86_400, "hour": 3600, "minute": 60, "second": 1}
NO_LIMIT = "none"


@dataclass(frozen=True)
class RouteLimit:
    """A route, the setting of its rate limit per network, and the default in words."""

    route: str
    setting: str
    limit: str


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    yield from ABOUT.splitlines()
    yield from PERSISTENCE.splitlines()
    yield from REQUESTS.splitlines()
    yield from (f"| `{row.route}` | {row.setting} | {row.limit} |" for row in route_limits())
    yield from crowds()
    for heading, rows in (COUNTERS, SIZES, TIMES):
        yield from heading.splitlines()
        yield from (
            f"| {row.what} | {figure(row)} | {row.counted_per} | {row.stored_in} | {row.effect} |" for row in rows
        )


def crowds() -> Iterator[str]:
    """Yield the section about many users behind one address."""
    yield from CROWDS.splitlines()
    for row in CROWD_ROWS:
        rate = f"{row.requests:,} in {_format_value(timedelta(minutes=row.minutes), 1)}"
        yield f"| {row.crowd} | {row.action} | {rate} | {crowd_limit(row.setting)} |"
    yield from SETTINGS_FOR_CROWDS.splitlines()
    yield from (f"| {name} | {', '.join(f'`{line}`' for line in lines)} |" for name, lines in EXAMPLES.items())
    yield from ONE_ADDRESS.splitlines()


def route_limits() -> list[RouteLimit]:
    """Return every route of the URL map with its rate limit; routes without a limit come last."""
    with TemporaryDirectory() as folder:
        app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": folder}, Path(folder, "no.env")))
    rows = []
    for rule in app.url_map.iter_rules():
        setting = getattr(app.view_functions[rule.endpoint], "limits", "")
        path = re.sub(r"<(?:[^<:]+:)?(\w+)>", r"<\1>", rule.rule)
        methods = (rule.methods or set()) & METHODS
        name, limits = (f"`{setting.upper()}`", str(constant(f"settings.{setting}"))) if setting else ("", "")
        rows += [RouteLimit(f"{method} {path}", name, format_rate(limits)) for method in methods]
    return sorted(rows, key=lambda row: (row.limit == NO_LIMIT, row.route.split()[1], row.route))


def crowd_limit(setting: str) -> str:
    """Return the default of a setting and its name, such as "60 a minute (`RATE_LIMIT_REGISTER`)"."""
    return f"{format_rate(str(constant(f'settings.{setting}')))} (`{setting.upper()}`)"


def format_rate(limits: str) -> str:
    """Return "30 a minute and 300 an hour" for "30/minute; 300/hour"."""
    return " and ".join(re.sub(r"/(?=(h?))", lambda by: " an " if by[1] else " a ", limits).split("; ")) or NO_LIMIT


def figure(row: Row) -> str:
    """Return the figure of a row with the values from the code."""
    return row.figure.format(*(_format_value(constant(name), row.unit) for name in row.constants))


def constant(name: str) -> object:
    """Return the value of a constant ("login.throttling.EMAIL_LIMIT") or a setting's default ("settings.X")."""
    setting = name.removeprefix("settings.")
    return Settings.model_fields[setting].default if setting != name else resolve_name(f"flaskauth.{name}")


def _format_value(value: object, unit: int) -> str:
    if isinstance(value, RateLimit):
        rate = f"{value.limit:,} in {_format_value(value.window, 1)}"
        return rate.replace(" in 1 hour", " an hour").replace(" in 1 day", " a day")
    if isinstance(value, timedelta):
        name, seconds = next(item for item in UNITS.items() if not value % timedelta(seconds=item[1]))
        count = value // timedelta(seconds=seconds)
        return f"{count:,} {name}{'' if count == 1 else 's'}"
    if isinstance(value, str):
        return format_rate(value)
    assert isinstance(value, int | float)
    return f"{value // unit if isinstance(value, int) else value:,}".removesuffix(".0")
