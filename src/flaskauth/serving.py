"""`flaskauth serve`: granian with a few processes, each with few threads."""

import os
import signal
import threading
import time
import urllib.request
from contextlib import suppress

import click
from granian import Granian
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from flaskauth.app import bare, create_app, prepare
from flaskauth.foundation import current, jobs, log
from flaskauth.foundation.db import db
from flaskauth.foundation.server import Server
from flaskauth.settings import Settings, is_loopback

THREADS_PER_CONNECTION = 2  # whoever waits for a hash holds no connection
READY_WITHIN = 30  # seconds
HEADERS_WITHIN = 10_000  # milliseconds
ENDED_WITHIN = 8  # seconds; service managers wait for 10 or more


def serve(host: str, port: int, workers: int | None) -> None:
    """Serve until told to stop.

    Raises:
        SettingsError, ClickException: it cannot; says why.
    """
    if port != 5000 and not (os.environ.get("PUBLIC_URL") or os.environ.get("SERVER_NAME")):
        os.environ["PUBLIC_URL"] = f"http://localhost:{port}"
    if workers:
        os.environ["WEB_CONCURRENCY"] = str(workers)
    settings = Settings.load()
    if settings.is_development and not is_loopback(host):
        raise click.ClickException(
            "Development serves this machine only. Set FLASKAUTH_ENV=production to serve others."
        )
    _prepare(settings)
    Granian(
        "flaskauth.serving:application",
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=port,
        workers=settings.web_concurrency,
        blocking_threads=settings.database_pool_size * THREADS_PER_CONNECTION,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_WITHIN),
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=ENDED_WITHIN,
        log_enabled=False,
    ).serve()


def _prepare(settings: Settings) -> None:
    """Have what keeps every server process from starting said once, and in words; they inherit no connection."""
    log.configure()
    app = bare(settings)
    prepare(app, settings)
    with app.app_context():
        db.engine.dispose()


def application() -> Server:
    """What a server process runs: the application with its thread already at work."""
    # Until granian takes over, the parent's handler is in force, which ends nothing here.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    app = create_app()
    background = app.extensions[jobs.KEY]
    assert isinstance(background, jobs.Background)
    background.start()
    if app.extensions[current.KEY].is_development:
        # In the worker: a thread of the parent could hold a lock while a worker is forked from it.
        threading.Thread(target=_greet, args=(app.extensions[current.KEY],), daemon=True).start()
    return app


def _greet(settings: Settings) -> None:
    """Say where to look, once it answers."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(f"{settings.public_url}/health/live", timeout=2):  # noqa: S310
            click.echo(_greeting(settings))
            return
        time.sleep(0.1)


def _greeting(settings: Settings) -> str:
    url = settings.public_url
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
