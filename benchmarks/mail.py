"""How fast one worker empties a full outbox, and whether it sends mails twice.

The mails are those of new registrations, each with its own code. The notifications are queued before the worker
starts. The worker is started as the production guide describes. MariaDB syncs to disk at each commit.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis as Client
from sqlalchemy import func, select
from tests.servers import Redis, free_port

from benchmarks.environment import RunningServer, durable_database, prepare_installation
from benchmarks.smtp_sink import running_smtp_sink
from benchmarks.targets import Figures
from flaskauth.app import create_base_app
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.jobs import background
from flaskauth.mail.models import QUEUED, SENT, OutboxMail
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.service import CodeRequest
from flaskauth.registration import pending
from flaskauth.registration.models import Registration
from flaskauth.settings import Settings

WORKER_COMMAND = ("celery", "-A", "flaskauth.celery", "worker", "--loglevel=INFO", "--beat")
MAIL_COUNT = 4000
BATCH_SIZE = 50  # per transaction; many more ids made in one millisecond could collide
NETWORK = "192.0.2.7"
TIMEOUT = 300  # seconds


def measure(mail_count: int = MAIL_COUNT) -> Figures:
    """Fill the outbox, start the worker, and wait until the SMTP sink has received every mail."""
    with (
        durable_database() as database,
        Redis() as redis,
        running_smtp_sink() as sink,
        TemporaryDirectory() as directory,
    ):
        database.create("measured")
        extra_settings = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(sink.port), "REDIS_URL": redis.url}
        workspace = prepare_installation(Path(directory), database.url("measured"), free_port(), extra_settings)
        server = RunningServer(0, create_base_app(Settings.load(workspace.settings, Path(directory, "no.env"))))
        background.init_app(server.app, ())
        fill_outbox(server, mail_count)
        queue = Client.from_url(redis.url)
        wait_until(lambda: int(queue.llen("flaskauth")) >= 1)  # type: ignore[arg-type]
        with workspace.start(*WORKER_COMMAND) as worker:
            worker.wait_for_output("worker_started")
            started = time.monotonic()
            wait_until(lambda: server.in_transaction(partial(count_sent)) >= mail_count)
            worker.terminate(60)
        arrivals = sink.arrivals()
    distinct_count = len({message_id for _, message_id in arrivals})
    seconds = max(arrived_at for arrived_at, _ in arrivals) - started
    return {
        "mails_per_second": mail_count / seconds,
        "mails_sent_twice": len(arrivals) - distinct_count,
        "mails_lost": mail_count - distinct_count,
    }


def fill_outbox(server: RunningServer, mail_count: int) -> None:
    """Enqueue the mails of new registrations, without the cost of hashing passwords."""
    for first in range(0, mail_count, BATCH_SIZE):
        server.in_transaction(partial(create_registrations, range(first, min(first + BATCH_SIZE, mail_count))))


def create_registrations(numbers: range) -> None:
    for number in numbers:
        email = f"user{number}@example.com"
        code = codes.issue(CodeRequest("registration", email, NETWORK, expires_at=clock.now() + timedelta(days=1)))
        registration = Registration(email=email, locale="en", first_name="Grace", last_name="Hopper", network=NETWORK)
        pending._notify_code(registration, code, QUEUED)


def count_sent() -> int:
    return db.session.scalar(select(func.count()).select_from(OutboxMail).where(OutboxMail.state == SENT)) or 0


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not is_done():
        if time.monotonic() > deadline:
            raise SystemExit(f"not finished after {TIMEOUT} seconds")
        time.sleep(0.2)
