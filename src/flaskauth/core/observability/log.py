"""Logging: events with the request id, without secrets and personal data.

The loggers of `get_logger` pass their events to the loggers of the standard library, so the application decides where
they are written. If it configures no handler, they go to standard error: on a terminal as text in development, else as
JSON, one line for each event.
"""

import json
import logging
import os
import select
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TextIO, cast

import orjson
from flask import has_request_context, request

from flaskauth.core import clock
from flaskauth.settings import Settings

ROOT_NAME = "flaskauth"  # the parent of all loggers of this package
WRITE_TIMEOUT_MS = 100  # milliseconds
MAX_VALUE_LENGTH = 1000  # characters of one value
CALLER_DEPTH = 3  # frames from the code that logs to the standard library's logger
MAX_FRAMES = 8  # of a traceback without values
SECRET_WORDS = ("password", "token", "secret", "otp", "code_", "authorization", "cookie", "email", "address", "key_")
ANSI_COLORS = {"info": 32, "warning": 33, "error": 31}  # green, yellow, red

current_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)  # of the lines of this thread


class Event(dict[str, object]):
    """The message of a log record. As text it is `event key=value`, for terminals and handlers of the application."""

    def __str__(self) -> str:
        pairs = [f"{name}={_escape(value)}" for name, value in self.items() if name not in TEXT_EXCLUDED]
        text = " ".join([_escape(self["event"]), *pairs])
        return f"{text}\n{self['exception']}" if "exception" in self else text


TEXT_EXCLUDED = {"event", "level", "timestamp", "exception"}  # a handler adds the level and the time itself


@dataclass
class _State:
    handler: logging.StreamHandler[TextIO] | None = None
    render: Callable[[Event], str] = str
    shows_exception_text: bool = False
    level: int = logging.NOTSET
    """The level that this module has set. The application may have set a different one, which is kept."""


_state = _State()


class Logger:
    """A logger of events with values, for the standard library's logger of this name."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **values: object) -> None:
        self._log(logging.INFO, event, values)

    def warning(self, event: str, **values: object) -> None:
        self._log(logging.WARNING, event, values)

    def error(self, event: str, **values: object) -> None:
        self._log(logging.ERROR, event, values)

    def exception(self, event: str, **values: object) -> None:
        self._log(logging.ERROR, event, {**values, "exc_info": sys.exc_info()})

    def _log(self, level: int, event: str, values: dict[str, object]) -> None:
        """Pass the event to the standard library, or write it directly if the application has no handler.

        Each request writes a line, and a log record would take three times as long.
        """
        if not self._logger.isEnabledFor(level):
            return
        message = _build_event(logging.getLevelName(level), event, values)
        handler = _state.handler
        if handler is None or logging.lastResort is not handler or self._logger.hasHandlers():
            self._logger.log(level, message, stacklevel=CALLER_DEPTH)
            return
        line = _state.render(message)
        handler.acquire()
        try:
            handler.stream.write(f"{line}\n")
        finally:
            handler.release()


class _Formatter(logging.Formatter):
    """Render events, and records of other libraries as events."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, Event):
            return _state.render(record.msg)
        return _state.render(_build_event(record.levelname, record.getMessage(), {"exc_info": record.exc_info}))


class NonBlockingStream:
    """A stream that never blocks for long and never raises.

    If its reader hangs, the disk is full or the stream is closed, lines are dropped and counted.

    A full pipe or socket would otherwise block each thread that logs.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dropped = 0

    def write(self, line: str) -> int:
        notice = f'{{"event":"log_lines_dropped","level":"error","lines":{self._dropped}}}\n' if self._dropped else ""
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


def get_logger(name: str) -> Logger:
    """Return a logger of events for the standard library's logger of this name."""
    return Logger(name)


def configure(level: int = logging.INFO) -> None:
    """Write events of this level and above to standard error as JSON, unless logging has handlers."""
    _write_unhandled_records(_render_json)
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
    _write_unhandled_records(partial(_render_text, is_colored=sys.stderr.isatty()) if is_console else _render_json)
    _set_level(logging.INFO)
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == ROOT_NAME]:
        logging.getLogger(name).disabled = False
    logging.getLogger("werkzeug").addFilter(is_not_request_line)


def _set_level(level: int) -> None:
    logger = logging.getLogger(ROOT_NAME)
    if logger.level in {logging.NOTSET, _state.level}:
        logger.setLevel(level)
        _state.level = level


def _write_unhandled_records(render: Callable[[Event], str]) -> None:
    """Replace the standard library's handler of last resort, which is used only for records without a handler."""
    handler = logging.StreamHandler(cast("TextIO", NonBlockingStream(sys.stderr)))
    handler.setFormatter(_Formatter())
    logging.lastResort = _state.handler = handler
    _state.render = render


def _render_json(event: Event) -> str:
    """Return the event as ASCII, so that no terminal interprets a control character. orjson does not escape others."""
    try:
        line = orjson.dumps(event).decode()
    except TypeError:  # a type that JSON does not have, or a lone surrogate
        line = ""
    is_safe = line and line.isascii() and line.isprintable()  # DEL is ASCII
    return line if is_safe else json.dumps(event, default=repr, separators=(",", ":"))


def _render_text(event: Event, *, is_colored: bool) -> str:
    level = str(event["level"])
    label = f"\x1b[{ANSI_COLORS.get(level, 31)}m{level:<7}\x1b[0m" if is_colored else f"{level:<7}"
    return f"{event['timestamp']} {label} {event}"


def _escape(value: object) -> str:
    """Escape control characters, which a client could use to forge lines or to control the terminal."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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


def _build_event(level: str, event: str, values: dict[str, object]) -> Event:
    """Return the event with the request id, level and time, without secrets."""
    error = _error_of(values.pop("exc_info", None))
    result = Event({name: _redact(name, value) for name, value in values.items()})
    result["event"] = event[:MAX_VALUE_LENGTH]
    if request_id := current_request_id.get():
        result.setdefault("request_id", request_id)
    result["level"], result["timestamp"] = level.lower(), clock.now().isoformat().replace("+00:00", "Z")
    if error is not None:
        _add_exception(result, error)
    return result


def _error_of(exc_info: object) -> BaseException | None:
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    return error if isinstance(error, BaseException) else None


def _add_exception(event: Event, error: BaseException) -> None:
    """Add the traceback in development. Else add the type and the frames: the text may contain SQL or secrets."""
    if _state.shows_exception_text:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
        return
    event["exception"] = type(error).__name__
    event["where"] = _frames(error)
    if has_request_context():
        event["endpoint"] = request.endpoint


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]


def _redact(name: str, value: object) -> object:
    if _is_secret(name):
        return "[hidden]"
    return value[:MAX_VALUE_LENGTH] if isinstance(value, str) else value


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return any(word in f"{name}_" for word in SECRET_WORDS)
