"""Logging: one JSON line per event with the request id, without secrets and personal data."""

import logging
import os
import re
import select
import sys
import traceback
from functools import lru_cache
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

ANSI_COLOR = re.compile(r"\x1b\[[0-9;]*m")
WRITE_TIMEOUT_MS = 100  # milliseconds
MAX_VALUE_LENGTH = 1000  # characters of one value
SECRET_WORDS = ("password", "token", "secret", "otp", "code_", "authorization", "cookie", "email", "address", "key_")


class NonBlockingStream:
    """A stream that never blocks for long. If its reader hangs or the disk is full, lines are dropped and counted.

    A full pipe or socket would otherwise block each thread that logs.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = 0

    def write(self, line: str) -> int:
        notice = (
            f'{{"event": "log_lines_dropped", "level": "error", "lines": {self._dropped}}}\n' if self._dropped else ""
        )
        if self._try_write(notice + line, timeout=0 if notice else WRITE_TIMEOUT_MS):
            self._dropped = 0
            return len(line)
        self._dropped += 1
        return 0

    def flush(self) -> None:
        """Do nothing: there is no buffer. A buffered line that failed once would fail again at each later write."""

    def _try_write(self, text: str, timeout: int) -> bool:
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):  # not a stream of the operating system
            return self._stream.write(text) > 0
        try:
            poller = select.poll()
            poller.register(descriptor, select.POLLOUT)  # writable means PIPE_BUF free bytes (POSIX), enough for a line
            return bool(poller.poll(timeout)) and os.write(descriptor, text.encode()) > 0
        except OSError:
            return False


def configure(level: int = logging.INFO) -> None:
    """Write all log events, including those of libraries, to standard error as JSON."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _strip_exception_text,
        _redact,
    ]
    stream = NonBlockingStream(sys.stderr)
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
    logging.getLogger("werkzeug").addFilter(_filter_werkzeug_record)
    for name in ("alembic", "celery.app.trace", "kombu", "amqp"):  # verbose at INFO
        logging.getLogger(name).setLevel(logging.WARNING)


def _filter_werkzeug_record(record: logging.LogRecord) -> bool:
    """Keep the address and the problems that Flask's development server logs, without colour; drop its request log."""
    record.msg, record.args = ANSI_COLOR.sub("", record.getMessage()), ()
    return record.levelno > logging.INFO or "Running on" in record.getMessage()


def mask_email(email: str) -> str:
    """Return a masked email address for logs: g***@example.com."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"


def _strip_exception_text(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and frames: its text may contain SQL, email addresses or secrets."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        event["exception"] = type(error).__name__
        event["where"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: _redact_value(name, value) for name, value in event.items()}


def _redact_value(name: str, value: object) -> object:
    if _is_secret(name):
        return "[hidden]"
    return value[:MAX_VALUE_LENGTH] if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return any(word in f"{name}_" for word in SECRET_WORDS) and name != "event"
