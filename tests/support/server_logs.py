"""Logs of the server processes that tests start. The report of a failed test shows what each wrote meanwhile."""

from pathlib import Path
from weakref import WeakKeyDictionary

MAX_SHOWN = 20_000  # characters of each log

_logs: WeakKeyDictionary[object, Path] = WeakKeyDictionary()
_shown_from: dict[Path, int] = {}


def register(process: object, log: Path) -> None:
    """Show this log while the process object exists."""
    _logs[process] = log


def start_test() -> None:
    """Leave out what the running processes have written so far."""
    _shown_from.clear()
    _shown_from.update({log: log.stat().st_size for log in set(_logs.values()) if log.is_file()})


def sections() -> list[tuple[str, str]]:
    """Return a title and the text of each log that has grown since the start of the test."""
    return [(f"Log of {log}", text) for log in sorted(set(_logs.values())) if log.is_file() and (text := _read(log))]


def _read(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(_shown_from.get(log, 0))
        return file.read(2**20).decode(errors="replace")[-MAX_SHOWN:]
