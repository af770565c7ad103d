"""Where faults are made: two servers of two processes each, one worker, a database behind a proxy, Redis, mail."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.history import Footprint
from tests.faults.mailbox import Mailbox
from tests.faults.proxy import FaultProxy
from tests.inside import together
from tests.journeys.installation import LOGIN, Installation
from tests.journeys.processes import Place, Running
from tests.journeys.visitors import Visitor
from tests.servers import MariaDB, Nginx, PrivateSqlServer, Redis, SmtpSink, free_port
from tests.servers.galera import Galera
from tests.servers.mysql import MySQL

NGINX = Path("deploy/nginx/flaskauth.conf")
DURABLE = "--innodb-flush-log-at-trx-commit=1"
# Leases and waits end, as they would do in a minute: the mails that a crash left behind are tried again now.
HURRY = "UPDATE outbox SET leased_until = NULL, next_try_at = created_at WHERE state = 'queued'"
DEADLOCKS = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'"
LEFT = "SELECT id FROM outbox WHERE state = 'queued'"

Database = PrivateSqlServer | Galera
IN_CLEAR = "--tls-version="  # so that a wire can tell a COMMIT
mariadb, mysql = partial(MariaDB, DURABLE), partial(MySQL, DURABLE, IN_CLEAR)


class Site(Installation):
    """A production installation on two servers."""

    def __init__(self, database: Database, redis: Redis, sink: SmtpSink, folder: Path, wires: "Wires") -> None:
        super().__init__(database, redis, sink, folder)
        self.database, self.wire, self.redis_wire = database, wires.database, wires.redis
        self.mailbox = Mailbox(sink)
        own = self.place.settings["SQLALCHEMY_DATABASE_URI"]
        self.place = self.place.having(
            SQLALCHEMY_DATABASE_URI=own.replace(f":{database.port}/", f":{self.wire.port}/"),
            REDIS_URL=redis.url.replace(f":{redis.port}/", f":{self.redis_wire.port}/"),
            DRAIN_DELAY="",
        )
        self.ports = (self.port, free_port())
        self.doors: tuple[int, ...] = self.ports  # where people ask
        self.wires: list[FaultProxy] = []  # on the way to the servers
        self.servers: dict[int, Running] = {}

    def start_one(self, at: int) -> Running:
        """Start one of the two servers, and wait until it is ready."""
        words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(self.ports[at]), "--workers", "2")
        self.servers[at] = self._start(words, f"server-{at}.log", self.place_of(at))
        with closing(Visitor(self.ports[at])) as visitor:
            return self.servers[at].wait_until(visitor.is_ready)

    def place_of(self, at: int) -> Place:
        """Where one of the two servers is started."""
        return self.place

    def kill_a_process(self, at: int) -> int:
        """End one of a server's processes as a crash would; how many were ended."""
        victims = [pid for pid in self.servers[at].children() if _serves(pid)]
        for pid in victims[:1]:
            os.kill(pid, signal.SIGKILL)
        return len(victims[:1])

    def seconds_until_ready(self, most: float = 60.0) -> float:
        """How long both servers take from now until they are ready."""
        began = time.monotonic()
        for port in self.ports:
            with closing(Visitor(port)) as visitor:
                while not visitor.is_ready() and time.monotonic() - began < most:
                    time.sleep(0.05)
        return time.monotonic() - began

    def connections(self) -> list[int]:
        """The database's numbers of the connections that the application has."""
        with self.engine.connect() as own:
            me = own.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            rows = own.exec_driver_sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app'")
            return [int(row[0]) for row in rows if row[0] != me]

    def deadlocks(self) -> int:
        """How many the database has ended since it was started."""
        assert isinstance(self.database, PrivateSqlServer)
        return int(str(self.database.ask(DEADLOCKS)))

    def footprints(self) -> dict[int, Footprint]:
        """What each process that serves has open, and what it holds in memory."""
        serving = [pid for server in self.servers.values() for pid in server.children() if _serves(pid)]
        return {pid: _footprint(pid) for pid in serving}

    def drain(self, seconds: float, *, hurry: bool) -> None:
        """Wait until every mail has gone; in a hurry, not for leases and waits that a crash left behind."""
        deadline = time.monotonic() + seconds
        time.sleep(2 if hurry else 0)
        while self.execute(LEFT) and time.monotonic() < deadline:
            if hurry:
                self.execute(HURRY)
            time.sleep(4)


@dataclass(frozen=True)
class Wires:
    """Where the application reaches what it needs."""

    database: FaultProxy
    redis: FaultProxy


@contextmanager
def site(
    provide: Callable[[], AbstractContextManager[Database]] = mariadb,
    kind: type[Site] = Site,
    *,
    behind_nginx: bool = False,
    on_a_wire: bool = False,
) -> Iterator[Site]:
    """Migrated and started, with everything private to it; people come directly, through nginx or by a wire."""
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True)))
        database = running.enter_context(provide())
        redis = running.enter_context(Redis())
        sink = running.enter_context(SmtpSink(tls="starttls", login=LOGIN))
        wires = Wires(*[running.enter_context(FaultProxy(each.port)) for each in (database, redis)])
        found = kind(database, redis, sink, folder, wires)
        running.callback(found.close)
        found.place.run("flaskauth", "db", "upgrade")
        together([found.start_worker, lambda: found.start_one(0), lambda: found.start_one(1)])
        if behind_nginx:
            found.doors = (running.enter_context(Nginx(_guided(found.ports))).port,)
        if on_a_wire:
            found.wires = [running.enter_context(FaultProxy(port)) for port in found.ports]
            found.doors = tuple(wire.port for wire in found.wires)
        yield found


def _guided(ports: tuple[int, int]) -> str:
    """nginx's site as it is deployed, without TLS, and with people from many networks."""
    site = NGINX.read_text().replace("443 ssl http2", "443").replace("$remote_addr", "$http_x_forwarded_for")
    for name, port in zip(("api-1:8000", "api-2:8000"), ports, strict=True):
        site = site.replace(name, f"127.0.0.1:{port}")
    return re.sub(r"ssl_\w+ .*;", "", site)


def _footprint(pid: int) -> Footprint:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Footprint(len(list(Path(f"/proc/{pid}/fd").iterdir())), pages * os.sysconf("SC_PAGE_SIZE"))


def _serves(pid: int) -> bool:
    """Whether a child of granian is one that serves, and no helper of Python's multiprocessing."""
    with suppress(OSError):
        return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
