"""`flaskauth serve`: granian with a few processes, each with few threads."""

import gc
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from urllib.error import HTTPError

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import MPServer

from flaskauth.app import create_app
from flaskauth.foundation import current, ending, jobs, measures
from flaskauth.foundation.db import hang_up
from flaskauth.foundation.gate import Gate
from flaskauth.foundation.server import Server, standing_headers
from flaskauth.sessions.device_names import device_name
from flaskauth.settings import Settings, is_loopback

LOOKERS = 8  # threads; more would but hand the interpreter to each other
WRITERS_PER_CONNECTION = 2  # threads; whoever waits for a hash holds no connection, and must not hold every thread
BACKLOG = 2048
CONNECTIONS = 1024  # of each process; those that say nothing are hung up on after HEADERS_WITHIN
READY_WITHIN = 30  # seconds
HEADERS_WITHIN = 10_000  # milliseconds
TURN = 0.0005  # seconds that a thread keeps others from running: with 5 ms, a short answer waits behind many long ones
ENDED_WITHIN = 8  # seconds; service managers wait for 10 or more


def serve(host: str, port: int, workers: int | None) -> None:
    """Serve until told to stop.

    Raises:
        SettingsError, ClickException: it cannot; says why.
    """
    if workers:
        os.environ["WEB_CONCURRENCY"] = str(workers)
    settings = Settings.load(port=port)
    os.environ["PUBLIC_URL"] = settings.public_url  # for its processes, which do not know the port
    if settings.is_development and not is_loopback(host):
        raise click.ClickException(
            "Development serves this machine only. Set FLASKAUTH_ENV=production to serve others."
        )
    _make_sure_of(host, port)
    if settings.is_measured:
        measures.share()
    _prepare()
    _let_workers_end()
    _Granian(
        "flaskauth.serving:application",
        factory=True,
        interface=Interfaces.RSGI,
        address=host,
        port=port,
        workers=settings.web_concurrency,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,  # with time limits; HTTP/2 would have none
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=ENDED_WITHIN,
        log_enabled=False,
    ).serve()


class _Granian(MPServer):
    """Goes on for `DRAIN_DELAY` when it is told to end, so that a proxy which asks whether it is ready sends nobody
    more: what is sent to a socket that is just being closed is lost. Told again, or by Ctrl-C, it ends at once.
    """

    def signal_handler_interrupt(self, number: int, *frame: object) -> None:
        app = _app()
        end: Callable[[], object] = super().signal_handler_interrupt
        delay = app.extensions[current.KEY].drains_for
        if number != signal.SIGTERM or not delay or ending.has_begun(app):
            end()
            return
        ending.begin(app)
        soon = threading.Timer(delay, end)
        soon.daemon = True
        soon.start()


class _Process(Gate):
    """One of its processes: what it has begun beside the requests it does to the end, above all a mail."""

    def __rsgi_del__(self, _loop: object) -> None:
        _background().stop()


def _make_sure_of(host: str, port: int) -> None:
    """Granian would say with a traceback that it cannot listen there."""
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise click.ClickException(
            f"Nobody can listen at {host}, port {port}: {reason}. Choose another with --host and --port."
        ) from None


def _prepare() -> None:
    """Make the application before its processes are forked: what keeps it from starting is said once, and in words,
    and what they only read is in memory once. They inherit no connection.
    """
    app = _app()
    with app.app_context():
        hang_up()
    device_name("")
    gc.collect()
    gc.freeze()  # collecting writes to what it looks at, and what is written to is copied


@cache
def _app() -> Server:
    return create_app()


def _let_workers_end() -> None:
    """A worker is forked with granian's handler, which ends nothing there: until it has its own, SIGTERM ends it."""
    term = {signal.SIGTERM}

    def begin_afresh() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, term)

    # Blocked meanwhile, as a signal that comes to a worker before its first step would be forgotten.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, term),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, term),
        after_in_child=begin_afresh,
    )


def application() -> _Process:
    """What a server process runs: the application behind its gate, with the thread beside already at work."""
    sys.setswitchinterval(TURN)
    app = _app()
    _background().start()
    settings = app.extensions[current.KEY]
    if settings.is_development:
        # In the worker: a thread of the parent could hold a lock while a worker is forked from it.
        threading.Thread(target=_greet, args=(settings,), daemon=True).start()
    writers = settings.database_pool_size * WRITERS_PER_CONNECTION
    kept = measures.of(app)
    if kept:
        kept.start()
    told = kept.refused if kept else None
    return _Process(app, LOOKERS, writers, standing_headers(settings), told, lambda: ending.has_begun(app))


def _background() -> jobs.Background:
    found = _app().extensions[jobs.KEY]
    assert isinstance(found, jobs.Background)
    return found


def _greet(settings: Settings) -> None:
    """Say where to look, once it answers."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        with suppress(OSError):
            click.echo(_greeting(settings, _trouble(settings.public_url)))
            return
        time.sleep(0.1)


def _trouble(url: str) -> str:
    """Why it is not ready, in a line for each reason; nothing where it is."""
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5):  # noqa: S310
            return ""
    except HTTPError as error:
        checks = json.load(error).get("checks", {})
        told = [f"  {name}: {check['detail']}" for name, check in checks.items() if not check["ok"]]
        return "\n".join([*told, "  flaskauth doctor looks closer."])


def _greeting(settings: Settings, trouble: str) -> str:
    url = settings.public_url
    if trouble:
        return f"\n{settings.app_name} is started at {url} ({settings.flaskauth_env}), but not ready:\n{trouble}\n"
    lines = [
        f"{settings.app_name} answers at {url} ({settings.flaskauth_env})",
        f"  API and a page to try it: {url}/docs",
    ]
    if settings.has_mailbox:
        lines.append(f"  Mail is read at:          {url}/dev/mailbox")
        body = (
            '{"email":"grace@example.com","password":"seven green kettles","first_name":"Grace","last_name":"Hopper"}'
        )
        lines.append(f"  Try: curl {url}/auth/register -H 'Content-Type: application/json' -d '{body}'")
    return "\n" + "\n".join(lines) + "\n"
