"""Logging: events with the request id, without secrets and personal data.

The loggers of `get_logger` pass their events to the loggers of the standard library, so the application decides where
they are written. If it configures no handler, they go to standard error: on a terminal as text in development, else as
JSON, one line for each event.
"""

import logging
import os
import select
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TextIO, cast

import structlog
from flask import has_request_context, request
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor

from flaskauth.settings import Settings

ROOT_NAME = "flaskauth"  # the parent of all loggers of this package
WRITE_TIMEOUT_MS = 100  # milliseconds
MAX_VALUE_LENGTH = 1000  # characters of one value
CALLER_DEPTH = 4  # frames from the code that logs to the standard library's logger: three of structlog are between
MAX_FRAMES = 8  # of a traceback without values
SECRET_WORDS = ("password", "token", "secret", "otp", "code_", "authorization", "cookie", "email", "address", "key_")


class Event(dict[str, object]):
    """The message of a log record. As text it is `event key=value`, for the handlers of the application."""

    def __str__(self) -> str:
        pairs = [f"{name}={_escape(name, value)}" for name, value in self.items() if name not in TEXT_EXCLUDED]
        text = " ".join([str(_escape("event", self["event"])), *pairs])
        return f"{text}\n{self['exception']}" if "exception" in self else text


TEXT_EXCLUDED = {"event", "level", "timestamp", "exception"}  # a handler adds the level and the time itself


@dataclass
class _State:
    handler: logging.StreamHandler[TextIO] | None = None
    render: Callable[[logging.Logger, str, EventDict], object] | None = None
    shows_exception_text: bool = False
    level: int = logging.NOTSET
    """The level that this module has set. The application may have set a different one, which is kept."""


_state = _State()


class NonBlockingStream:
    """A stream that never blocks for long and never raises.

    If its reader hangs, the disk is full or the stream is closed, lines are dropped and counted.

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
        if self._stream.closed:
            return False
        try:
            descriptor = self._stream.fileno()
        except (OSError, ValueError):  # not a stream of the operating system
            return self._stream.write(text) > 0
        try:
            poller = select.poll()
            poller.register(descriptor, select.POLLOUT)  # writable means PIPE_BUF free bytes (POSIX), enough for a line
            return bool(poller.poll(timeout)) and os.write(descriptor, text.encode(errors="backslashreplace")) > 0
        except OSError:
            return False


def get_logger(name: str) -> BoundLogger:
    """Return a structlog logger for the standard library's logger of this name."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, *SHARED_PROCESSORS, _pass_to_logging],
        wrapper_class=BoundLogger,
    ).bind()
    return logger


def configure(level: int = logging.INFO) -> None:
    """Write events of this level and above to standard error as JSON, unless logging has handlers."""
    _write_unhandled_records(structlog.processors.JSONRenderer())
    _set_level(level)


def init_app(settings: Settings) -> None:
    """Write events to standard error, unless logging has handlers, now or later. Keep levels that are already set.

    Enable the loggers of this package: by default, `logging.config.dictConfig` disables all that exist.

    In development, exceptions include their text and the complete traceback, and a terminal shows text instead of JSON.
    """
    _state.shows_exception_text = settings.is_development
    is_console = settings.log_format == "console" or (
        settings.log_format is None and settings.is_development and sys.stderr.isatty()
    )
    _write_unhandled_records(_console_renderer() if is_console else structlog.processors.JSONRenderer())
    _set_level(logging.INFO)
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == ROOT_NAME]:
        logging.getLogger(name).disabled = False
    logging.getLogger("werkzeug").addFilter(is_not_request_line)


def _set_level(level: int) -> None:
    logger = logging.getLogger(ROOT_NAME)
    if logger.level in {logging.NOTSET, _state.level}:
        logger.setLevel(level)
        _state.level = level


def _write_unhandled_records(renderer: Processor) -> None:
    """Replace the standard library's handler of last resort, which is used only for records without a handler."""
    handler = logging.StreamHandler(cast("TextIO", NonBlockingStream(sys.stderr)))
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=SHARED_PROCESSORS, processors=[ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    logging.lastResort = _state.handler = handler
    _state.render = renderer


def _console_renderer() -> Processor:
    renderer = ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)

    def render(logger: object, method: str, event: EventDict) -> str:
        return renderer(logger, method, {name: _escape(name, value) for name, value in event.items()})

    return render


def _escape(name: str, value: object) -> object:
    """Escape control characters, which a client could use to forge lines or to control the terminal."""
    if not isinstance(value, str) or value.isprintable() or name == "exception":
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def is_not_request_line(record: logging.LogRecord) -> bool:
    """Return False for the request lines of Flask's development server: the server logs its requests itself."""
    return bool(logging.root.handlers) or record.levelno > logging.INFO or "HTTP/" not in record.getMessage()


def strip_exception(record: logging.LogRecord) -> bool:
    """Replace the exception of a record by its type and frames, unless logging has handlers. A filter for loggers."""
    if record.exc_info and record.exc_info[1] and not logging.root.handlers:
        frames = "".join(f"\n  {frame}" for frame in _frames(record.exc_info[1]))
        where = f" in {request.endpoint}" if has_request_context() else ""
        record.msg = f"{record.getMessage()}\n{type(record.exc_info[1]).__name__}{where}{frames}"
        record.args, record.exc_info = (), None
    return True


def mask_email(email: str) -> str:
    """Return a masked email address for logs: g***@example.com."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain}"


def _format_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add the traceback in development. Else add the type and the frames: the text may contain SQL or secrets."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else sys.exc_info()[1] if info is True else info
    if not isinstance(error, BaseException):
        return event
    if _state.shows_exception_text:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
        return event
    event["exception"] = type(error).__name__
    event["where"] = _frames(error)
    if has_request_context():
        event["endpoint"] = request.endpoint
    return event


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]


def _redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {name: _redact_value(name, value) for name, value in event.items()}


def _redact_value(name: str, value: object) -> object:
    if _is_secret(name):
        return "[hidden]"
    return value[:MAX_VALUE_LENGTH] if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return any(word in f"{name}_" for word in SECRET_WORDS) and name != "event"


def _pass_to_logging(logger: logging.Logger, method: str, event: EventDict) -> tuple[tuple[Event], dict[str, object]]:
    """Pass the event to the standard library, in the form that `ProcessorFormatter` recognises.

    Without a handler of the application, write it directly, in half of the time: each request writes a line.
    """
    handler = _state.handler
    if handler and _state.render and logging.lastResort is handler and not logger.hasHandlers():
        line = _state.render(logger, method, event)
        handler.acquire()
        try:
            handler.stream.write(f"{line}\n")
        finally:
            handler.release()
        raise structlog.DropEvent
    return (Event(event),), {"extra": {"_logger": logger, "_name": method}, "stacklevel": CALLER_DEPTH}


SHARED_PROCESSORS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _redact,
    _format_exception,
)
