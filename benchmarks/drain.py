"""python -m benchmarks.drain [--strict]: how fast one worker empties a full outbox, and whether any mail goes twice.

The mails are what people get who register, each with a code of its own, and the bell was rung for each while no worker
was there. The worker is started as the guide to production says. MariaDB asks the disk at each commit.
"""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from redis import Redis as Client
from sqlalchemy import func, select
from tests.servers import MariaDB, Redis, free_port

from benchmarks.bars import Bar, Figures, conclude, parser
from benchmarks.grounds import DURABLE, Grounds, prepared
from benchmarks.sink import sink
from flaskauth.app import bare
from flaskauth.codes import service as codes
from flaskauth.codes.service import Asked
from flaskauth.foundation import clock, jobs
from flaskauth.foundation.db import db
from flaskauth.mail import outbox
from flaskauth.mail.models import SENT, OutboxMail
from flaskauth.registration import emails
from flaskauth.registration.models import Registration
from flaskauth.settings import Settings

BARS = (
    Bar("mails_a_second", "mails a second, one worker", 200, "/s"),
    Bar("sent_twice", "mails that came twice", 0, "", is_ceiling=True),
    Bar("lost", "mails that did not come", 0, "", is_ceiling=True),
)
WORKER = ("celery", "-A", "flaskauth.celery", "worker", "--loglevel=INFO", "--beat")
MAILS = 4000
AT_ONCE = 50  # in one transaction; of many more numbers in one millisecond two could be the same
NETWORK = "192.0.2.7"
PATIENCE = 300  # seconds


def measure(mails: int = MAILS) -> Figures:
    """Fill the outbox, start the worker, and wait until the mail server has everything."""
    with MariaDB(DURABLE) as database, Redis() as redis, sink() as server, TemporaryDirectory() as folder:
        database.create("measured")
        more = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port), "REDIS_URL": redis.url}
        place = prepared(Path(folder), database.url("measured"), free_port(), more)
        where = Grounds(0, bare(Settings.load(place.settings, Path(folder, "no.env"))))
        jobs.init_app(where.app, ())
        fill(where, mails)
        queue = Client.from_url(redis.url)
        wait(lambda: int(queue.llen("flaskauth")) >= mails)  # type: ignore[arg-type]
        with place.start(*WORKER) as worker:
            worker.wait_for("ready.")
            begun = time.monotonic()
            wait(lambda: where.within(partial(sent)) >= mails)
            worker.end(60)
        arrivals = server.arrivals()
    different = len({message_id for _, message_id in arrivals})
    took = max(when for when, _ in arrivals) - begun
    return {"mails_a_second": mails / took, "sent_twice": len(arrivals) - different, "lost": mails - different}


def fill(where: Grounds, mails: int) -> None:
    """As so many people would who register; their passwords are not what is measured."""
    for first in range(0, mails, AT_ONCE):
        where.within(partial(register, range(first, min(first + AT_ONCE, mails))))


def register(numbers: range) -> None:
    for number in numbers:
        email = f"person{number}@example.com"
        code = codes.issue(Asked("registration", email, NETWORK, ends_at=clock.now() + timedelta(days=1)))
        attempt = Registration(email=email, locale="en", first_name="Grace", last_name="Hopper", network=NETWORK)
        outbox.put(emails.prove_address(attempt, code))


def sent() -> int:
    return db.session.scalar(select(func.count()).select_from(OutboxMail).where(OutboxMail.state == SENT)) or 0


def wait(is_over: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_over():
        if time.monotonic() > end:
            raise SystemExit(f"not done in {PATIENCE} seconds")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(conclude(measure, BARS, parser("drain", __doc__).parse_args()))
