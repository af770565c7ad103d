"""Findings of checks, with advice."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ParamSpec

from flaskauth.core.context import settings

OK = "ok"
WARNING = "warning"  # the server works, but this should be fixed
FAILED = "failed"
SKIPPED = "skipped"  # a different problem must be fixed first

P = ParamSpec("P")


@dataclass(frozen=True)
class Finding:
    """The result of a check, without secrets. `run_checks` sets `check`."""

    state: str
    detail: str
    advice: str = ""
    check: str = ""


@dataclass(frozen=True)
class CheckGroup:
    """Checks that run on one thread, in the order of the report."""

    checks: tuple[str, ...]
    required_settings: frozenset[str]  # the group is skipped if one of these is invalid
    run: Callable[[], Iterator[Finding]]


def ok(detail: str) -> Finding:
    return Finding(OK, detail)


def warning(detail: str, advice: str) -> Finding:
    return Finding(WARNING, detail, advice)


def failed(detail: str, advice: str) -> Finding:
    return Finding(FAILED, detail, advice)


def skipped(reason: str) -> Finding:
    return Finding(SKIPPED, reason)


def failed_in_production(detail: str, advice: str) -> Finding:
    """Return a failed finding in production, and a warning in development."""
    return warning(detail, advice) if settings().is_development else failed(detail, advice)


def run_checks(checks: Mapping[str, Callable[P, Finding]], *args: P.args, **kwargs: P.kwargs) -> Iterator[Finding]:
    """Run every check. An exception in one check becomes its finding and does not stop the others."""
    for name, check in checks.items():
        try:
            yield replace(check(*args, **kwargs), check=name)
        except Exception as error:  # noqa: BLE001 (a bug in one check must not hide the others)
            yield replace(check_failed(error), check=name)


def pluralize(number: int, singular: str, plural: str) -> str:
    """Return a number with its noun: "1 process", "2 processes"."""
    return f"{number} {singular if number == 1 else plural}"


def short_reason(reason: object) -> str:
    """Return the message of the operating system, else the class of the error: library messages may contain secrets."""
    error = reason if isinstance(reason, BaseException) else None
    while error:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return type(reason).__name__


def check_failed(error: Exception) -> Finding:
    """Return a finding without the text of the error, which may contain a statement or an address."""
    return failed(
        f"check failed with {type(error).__name__}", "Fix the other findings, then run flaskauth doctor again."
    )
