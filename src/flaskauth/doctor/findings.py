"""What a check found, and what to do about it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ParamSpec

from flaskauth.foundation.current import settings

OK = "ok"
WARNING = "warning"  # it works, and should not stay so
FAILED = "failed"
SKIPPED = "skipped"  # something else must be repaired first

P = ParamSpec("P")


@dataclass(frozen=True)
class Finding:
    """What was found, in words that hold no secret; `check` is named by who asked."""

    state: str
    found: str
    advice: str = ""
    check: str = ""


@dataclass(frozen=True)
class Subject:
    """What is looked at together, with its checks in the order in which they are told."""

    checks: tuple[str, ...]
    needs: frozenset[str]  # settings without which nothing can be looked at
    look: Callable[[], Iterator[Finding]]


def fine(found: str) -> Finding:
    return Finding(OK, found)


def doubtful(found: str, advice: str) -> Finding:
    return Finding(WARNING, found, advice)


def wrong(found: str, advice: str) -> Finding:
    return Finding(FAILED, found, advice)


def skipped(why: str) -> Finding:
    return Finding(SKIPPED, f"not looked at, because {why}")


def serious(found: str, advice: str) -> Finding:
    """What must not be so in production; in development it is worth a word."""
    return doubtful(found, advice) if settings().is_development else wrong(found, advice)


def each(checks: Mapping[str, Callable[P, Finding]], *args: P.args, **kwargs: P.kwargs) -> Iterator[Finding]:
    """What every check finds; one that cannot be made hides no other."""
    for name, check in checks.items():
        try:
            yield replace(check(*args, **kwargs), check=name)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are still to be told)
            yield replace(unmade(error), check=name)


def counted(number: int, one: str, more: str) -> str:
    """A number with its noun: "1 process", "2 processes"."""
    return f"{number} {one if number == 1 else more}"


def in_short(reason: object) -> str:
    """The system's own words, such as "Connection refused", else its kind: what a library says may quote a secret."""
    error = reason if isinstance(reason, BaseException) else None
    while error:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return type(reason).__name__


def unmade(error: Exception) -> Finding:
    """A check that could not be made; the error's text may quote a statement or an address."""
    return wrong(f"could not be looked at: {type(error).__name__}", "Repair what else is told, then run this again.")
