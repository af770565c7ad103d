"""Logs: one JSON line an event, with the request's id, and nothing that opens a door or names a person."""

import logging
import os
import re
import select
import sys
import traceback
from functools import lru_cache
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
PATIENCE = 100  # milliseconds
LONGEST = 1000  # characters of one value
SECRET = ("password", "token", "secret", "otp", "code_", "authorization", "cookie", "email", "address", "key_")


class Outlet:
    """A stream that nobody waits for: where its reader stands still, or its disk is full, lines are lost and counted.

    A pipe or a socket that is full would hold every thread that has something to log, one after the other.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = 0

    def write(self, line: str) -> int:
        told = f'{{"event": "log_lines_lost", "level": "error", "lines": {self._lost}}}\n' if self._lost else ""
        if self._sent(told + line, patience=0 if told else PATIENCE):
            self._lost = 0
            return len(line)
        self._lost += 1
        return 0

    def flush(self) -> None:
        """Nothing is kept: what could not be written would fail again at whatever is written next."""

    def _sent(self, text: str, patience: int) -> bool:
        try:
            number = self._stream.fileno()
        except (OSError, ValueError):  # it is none of the system's
            return self._stream.write(text) > 0
        try:
            waiting = select.poll()
            waiting.register(number, select.POLLOUT)  # room for PIPE_BUF bytes (POSIX), which is a line
            return bool(waiting.poll(patience)) and os.write(number, text.encode()) > 0
        except OSError:
            return False


def configure(level: int = logging.INFO) -> None:
    """Send everything, the libraries' lines too, to standard error as JSON."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_exception_text,
        _clean,
    ]
    stream = Outlet(sys.stderr)
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(sort_keys=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("werkzeug").addFilter(_says_where)
    for noisy in ("alembic", "celery.app.trace", "kombu", "amqp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _says_where(record: logging.LogRecord) -> bool:
    """Of what Flask's development server says, its address and what is wrong, uncoloured; requests are told by us."""
    record.msg, record.args = COLOURS.sub("", record.getMessage()), ()
    return record.levelno > logging.INFO or "Running on" in record.getMessage()


def masked(address: str) -> str:
    """An address as logs may show it: g***@example.com."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}***@{domain}"


def _without_exception_text(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Where it happened and what kind it was; its text may quote a statement, an address or a secret."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        event["exception"] = type(error).__name__
        event["where"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _clean(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return {name: _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: Any) -> Any:
    if _is_secret(name):
        return "[hidden]"
    return value[:LONGEST] if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return any(word in f"{name}_" for word in SECRET) and name != "event"
