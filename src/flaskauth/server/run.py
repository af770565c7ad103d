"""`flaskauth serve`: the granian web server, with worker processes that are forked from a preloaded application."""

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
from functools import cache, partial
from urllib.error import HTTPError

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import MPServer

from flaskauth.app import create_app
from flaskauth.core import context, shutdown
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.http.app import AuthFlask, default_headers
from flaskauth.core.jobs import background
from flaskauth.core.observability import metrics as core_metrics
from flaskauth.core.observability.log import get_logger
from flaskauth.core.passwords import hashing
from flaskauth.core.passwords.hash_process import HashProcess
from flaskauth.server.fast_path import FastPath
from flaskauth.server.request_buffer import RequestBuffer
from flaskauth.sessions.device_names import device_name
from flaskauth.settings import Settings, is_loopback
from flaskauth.version import __version__

log = get_logger(__name__)

READER_THREADS = 8  # per process; more threads would only compete for the GIL
WRITERS_PER_CONNECTION = 2  # threads; a request that waits for a password hash uses a thread, but no connection
BACKLOG = 2048
MAX_CONNECTIONS = 1024  # per process; idle ones are closed after HEADER_READ_TIMEOUT
READY_TIMEOUT = 30  # seconds
HEADER_READ_TIMEOUT = 10_000  # milliseconds
SWITCH_INTERVAL = 0.0005  # seconds; with Python's default of 5 ms, short requests wait behind several long ones
WORKER_KILL_TIMEOUT = 8  # seconds; service managers wait at least 10
EXAMPLE_USER = (
    '{"email": "grace@example.com", "password": "seven green kettles", "first_name": "Grace", "last_name": "Hopper"}'
)


def serve(host: str, port: int, workers: int | None) -> None:
    """Run the server until it is stopped.

    Raises:
        SettingsError: the settings are invalid.
        ClickException: the server cannot listen on the address, or the application cannot start.
    """
    configured = Settings.load(port=port)
    settings = configured.model_copy(update={"web_concurrency": workers or configured.web_concurrency})
    # The workers know neither the number of processes nor the port.
    os.environ |= {"WEB_CONCURRENCY": str(settings.web_concurrency), "PUBLIC_URL": settings.public_url}
    if settings.is_development and not is_loopback(host) and not settings.flaskauth_dev_hosts:
        raise click.ClickException(
            f"In development the server accepts local connections only, but --host is {host}."
            " Use --host 127.0.0.1, set FLASKAUTH_DEV_HOSTS to the addresses of the clients, or set"
            " FLASKAUTH_ENV=production."
        )
    _check_can_listen(host, port)
    if settings.is_metrics_enabled:
        core_metrics.enable_multiprocess()
    hash_process = _start_hash_process(settings)
    _preload_app()
    _hashing_pool().process = hash_process
    _reset_sigterm_in_workers()
    _log_start(settings, f"{host}:{port}", configured.web_concurrency)
    _DrainingServer(
        "flaskauth.server.run:application",
        factory=True,
        interface=Interfaces.RSGI,
        address=host,
        port=port,
        workers=settings.web_concurrency,
        backlog=BACKLOG,
        backpressure=MAX_CONNECTIONS,
        http=HTTPModes.http1,  # granian enforces no timeouts for HTTP/2
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_TIMEOUT),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=WORKER_KILL_TIMEOUT,
        log_enabled=False,
    ).serve()


def _log_start(settings: Settings, address: str, configured_workers: int) -> None:
    """Log that the server starts. Development prints its URLs instead.

    Warn if `--workers` differs from the setting, because other commands know only the setting.
    """
    if not settings.is_development:
        if settings.web_concurrency != configured_workers:
            detail = (
                f"--workers {settings.web_concurrency}: flaskauth doctor checks WEB_CONCURRENCY={configured_workers};"
                " set WEB_CONCURRENCY instead"
            )
            log.warning("configuration_warning", detail=detail)
        log.info(
            "started",
            version=__version__,
            listen=address,
            workers=settings.web_concurrency,
            database=settings.database_url.get_backend_name(),
        )


class _DrainingServer(MPServer):
    """Keep serving for `DRAIN_DELAY` seconds after SIGTERM while the readiness check fails, then stop.

    The load balancer thus stops sending requests before the listening socket closes: requests that reach a closing
    socket are lost. A second signal or Ctrl-C stops the server immediately.
    """

    def signal_handler_interrupt(self, signal_number: int, *frame: object) -> None:
        app = _get_app()
        stop: Callable[[], object] = super().signal_handler_interrupt
        delay = app.extensions[context.KEY].drain_seconds
        if signal_number != signal.SIGTERM or not delay or shutdown.is_draining(app):
            stop()
            return
        shutdown.start_draining(app)
        timer = threading.Timer(delay, stop)
        timer.daemon = True
        timer.start()


class _WorkerApplication(RequestBuffer):
    """The application of a worker process. It finishes its background jobs, such as a mail delivery, at shutdown."""

    def __rsgi_del__(self, _loop: object) -> None:
        _background_worker().stop()


def _check_can_listen(host: str, port: int) -> None:
    """Report an address that cannot be bound; granian would print a traceback.

    Raises:
        ClickException: the address cannot be bound.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise click.ClickException(
            f"Cannot listen on {address}: {reason}. Choose a different address with --host and --port, or a different"
            f" port with make run PORT={min(port + 1, 65535)}."
        ) from None


def _preload_app() -> None:
    """Create the application before the workers are forked.

    A startup error is thus reported once, and the workers share memory that they only read. They inherit no database
    connection.
    """
    app = _get_app()
    with app.app_context():
        dispose_engines()
    device_name("")
    gc.collect()
    gc.freeze()  # a collection writes to the objects it visits, which would copy the shared pages


def _start_hash_process(settings: Settings) -> HashProcess | None:
    """Start the process that hashes passwords. In development, a thread hashes them."""
    if settings.is_development or sys.platform != "linux":
        return None
    process = HashProcess(log.error)
    process.start()
    return process


@cache
def _get_app() -> AuthFlask:
    return create_app()


def _reset_sigterm_in_workers() -> None:
    """Let SIGTERM end a forked worker until it has installed its own handler.

    The worker inherits the handler of granian's main process, which does not stop a worker.
    """
    sigterm = {signal.SIGTERM}

    def reset_handler() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, sigterm)

    # SIGTERM is blocked during the fork: a signal that reached the worker before `reset_handler` would be lost.
    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, sigterm),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, sigterm),
        after_in_child=reset_handler,
    )


def application() -> _WorkerApplication:
    """Return the RSGI application of a worker process; start its background and metrics threads."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    app = _get_app()
    if process := _hashing_pool().process:
        process.detach()
    _background_worker().start()
    settings = app.extensions[context.KEY]
    if settings.is_development:
        # Not in the parent: a thread there could hold a lock during a fork.
        threading.Thread(target=_announce_when_ready, args=(settings,), daemon=True).start()
    writer_threads = settings.database_pool_size * WRITERS_PER_CONNECTION
    app_metrics = core_metrics.get_metrics(app)
    if app_metrics:
        app_metrics.start()
    on_error = app_metrics.count_error if app_metrics else None
    return _WorkerApplication(
        app,
        (READER_THREADS, writer_threads),
        partial(default_headers, settings),
        on_error,
        lambda: shutdown.is_draining(app),
        FastPath(app).respond,
    )


def _hashing_pool() -> hashing.HashingPool:
    pool = _get_app().extensions[hashing.KEY]
    assert isinstance(pool, hashing.HashingPool)
    return pool


def _background_worker() -> background.BackgroundWorker:
    worker = _get_app().extensions[background.KEY]
    assert isinstance(worker, background.BackgroundWorker)
    return worker


def _announce_when_ready(settings: Settings) -> None:
    """Print the URLs of the server as soon as it responds."""
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(OSError):
            click.echo(_startup_message(settings, _not_ready_reasons(settings.public_url)))
            return
        time.sleep(0.1)


def _not_ready_reasons(url: str) -> str:
    """Return the failed readiness checks, one per line, or an empty string if the server is ready."""
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=5):  # noqa: S310
            return ""
    except HTTPError as error:
        checks = json.load(error).get("checks", {})
        reasons = [f"  {name}: {check['detail']}" for name, check in checks.items() if not check["ok"]]
        return "\n".join([*reasons, "  Run `flaskauth doctor` for details."])


def _startup_message(settings: Settings, reasons: str) -> str:
    url = settings.public_url
    if reasons:
        return f"\n{settings.app_name} runs at {url} ({settings.flaskauth_env}), but is not ready:\n{reasons}\n"
    pages = [f"  Sign-in page    {url}/sign-in"] if settings.pages else []
    lines = [
        f"{settings.app_name} is running at {url} ({settings.flaskauth_env})",
        "",
        *pages,
        f"  API reference   {url}/docs",
    ]
    if settings.has_mailbox:
        lines += [
            f"  Mailbox         {url}/dev/mailbox",
            "",
            "  Register a user, then read the verification code in the mailbox:",
            f"  curl {url}/auth/register -H 'Content-Type: application/json' -d '{EXAMPLE_USER}'",
        ]
    lines += ["", "  Press Ctrl+C to stop the server."]
    return "\n" + "\n".join(lines) + "\n"
