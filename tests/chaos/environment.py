"""The test environment: two servers of two processes each, a worker, a database behind a proxy, Redis, mail."""

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

from tests.chaos.history import ResourceUsage
from tests.chaos.mailbox import Mailbox
from tests.chaos.proxy import FaultProxy
from tests.e2e.http_client import HttpClient
from tests.e2e.installation import SMTP_LOGIN, Installation
from tests.e2e.processes import RunningProcess, Workspace
from tests.servers import MariaDB, Nginx, PrivateSqlServer, Redis, SmtpSink, free_port
from tests.servers.galera import Galera
from tests.servers.mysql import MySQL
from tests.support.inspect import run_concurrently

NGINX = Path("deploy/nginx/flaskauth.conf")
DURABLE = "--innodb-flush-log-at-trx-commit=1"
# Expires leases and retry delays that would end within a minute, so that mails left by a crash are retried now.
EXPIRE_LEASES = "UPDATE outbox SET leased_until = NULL, next_attempt_at = created_at WHERE state = 'queued'"
COUNT_DEADLOCKS = "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'"
SELECT_QUEUED = "SELECT id FROM outbox WHERE state = 'queued'"

Database = PrivateSqlServer | Galera
WITHOUT_TLS = "--tls-version="  # lets the proxy recognise a COMMIT
mariadb, mysql = partial(MariaDB, DURABLE), partial(MySQL, DURABLE, WITHOUT_TLS)


class Environment(Installation):
    """A production installation on two servers."""

    def __init__(self, database: Database, redis: Redis, sink: SmtpSink, folder: Path, proxies: "Proxies") -> None:
        super().__init__(database, redis, sink, folder)
        self.database, self.database_proxy, self.redis_proxy = database, proxies.database, proxies.redis
        self.mailbox = Mailbox(sink)
        database_url = self.workspace.settings["SQLALCHEMY_DATABASE_URI"]
        self.workspace = self.workspace.with_settings(
            SQLALCHEMY_DATABASE_URI=database_url.replace(f":{database.port}/", f":{self.database_proxy.port}/"),
            REDIS_URL=redis.url.replace(f":{redis.port}/", f":{self.redis_proxy.port}/"),
            DRAIN_DELAY="",
        )
        self.ports = (self.port, free_port())
        self.client_ports: tuple[int, ...] = self.ports  # where clients connect
        self.server_proxies: list[FaultProxy] = []  # in front of the servers
        self.servers: dict[int, RunningProcess] = {}

    def start_server(self, server: int = 0) -> RunningProcess:
        """Start one of the two servers and wait until it is ready."""
        words = ("flaskauth", "serve", "--host", "127.0.0.1", "--port", str(self.ports[server]), "--workers", "2")
        self.servers[server] = self._start(words, f"server-{server}.log", self.workspace_for(server))
        with closing(HttpClient(self.ports[server])) as http_client:
            return self.servers[server].wait_until(http_client.is_ready)

    def workspace_for(self, server: int) -> Workspace:
        """Return the workspace of one of the two servers."""
        return self.workspace

    def kill_process(self, server: int) -> int:
        """Kill one process of a server with SIGKILL. Return the number of killed processes."""
        pids = [pid for pid in self.servers[server].children() if _is_server_process(pid)]
        for pid in pids[:1]:
            os.kill(pid, signal.SIGKILL)
        return len(pids[:1])

    def seconds_until_ready(self, limit: float = 60.0) -> float:
        """Return the seconds until both servers are ready."""
        started_at = time.monotonic()
        for port in self.ports:
            with closing(HttpClient(port)) as http_client:
                while not http_client.is_ready() and time.monotonic() - started_at < limit:
                    time.sleep(0.05)
        return time.monotonic() - started_at

    def connections(self) -> list[int]:
        """Return the connection ids of the application's database connections."""
        with self.engine.connect() as connection:
            own_id = connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()
            rows = connection.exec_driver_sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'app'")
            return [int(row[0]) for row in rows if row[0] != own_id]

    def count_deadlocks(self) -> int:
        """Return the number of deadlocks since the database was started."""
        assert isinstance(self.database, PrivateSqlServer)
        return int(str(self.database.query_scalar(COUNT_DEADLOCKS)))

    def resource_usage(self) -> dict[int, ResourceUsage]:
        """Return the open files and memory of each serving process."""
        serving = [pid for server in self.servers.values() for pid in server.children() if _is_server_process(pid)]
        return {pid: _read_resource_usage(pid) for pid in serving}

    def drain_mail(self, seconds: float, *, expire_leases: bool) -> None:
        """Wait until no mail is queued. Expire leases and retry delays of a crash on request."""
        deadline = time.monotonic() + seconds
        time.sleep(2 if expire_leases else 0)
        while self.execute_sql(SELECT_QUEUED) and time.monotonic() < deadline:
            if expire_leases:
                self.execute_sql(EXPIRE_LEASES)
            time.sleep(4)


@dataclass(frozen=True)
class Proxies:
    """The proxies through which the application reaches its dependencies."""

    database: FaultProxy
    redis: FaultProxy


@contextmanager
def start_environment(
    provide: Callable[[], AbstractContextManager[Database]] = mariadb,
    environment_class: type[Environment] = Environment,
    *,
    behind_nginx: bool = False,
    behind_proxies: bool = False,
) -> Iterator[Environment]:
    """Start a migrated environment with private servers. Clients connect directly, through nginx or through proxies."""
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True)))
        database = running.enter_context(provide())
        redis = running.enter_context(Redis())
        sink = running.enter_context(SmtpSink(tls="starttls", login=SMTP_LOGIN))
        proxies = Proxies(*[running.enter_context(FaultProxy(server.port)) for server in (database, redis)])
        environment = environment_class(database, redis, sink, folder, proxies)
        running.callback(environment.close)
        environment.workspace.run("flaskauth", "db", "upgrade")
        run_concurrently(
            [environment.start_worker, lambda: environment.start_server(0), lambda: environment.start_server(1)]
        )
        if behind_nginx:
            environment.client_ports = (running.enter_context(Nginx(_nginx_config(environment.ports))).port,)
        if behind_proxies:
            environment.server_proxies = [running.enter_context(FaultProxy(port)) for port in environment.ports]
            environment.client_ports = tuple(proxy.port for proxy in environment.server_proxies)
        yield environment


def _nginx_config(ports: tuple[int, int]) -> str:
    """Return the deployed nginx site without TLS, with the client IP taken from a header."""
    config = NGINX.read_text().replace("443 ssl http2", "443").replace("$remote_addr", "$http_x_forwarded_for")
    for name, port in zip(("api-1:8000", "api-2:8000"), ports, strict=True):
        config = config.replace(name, f"127.0.0.1:{port}")
    return re.sub(r"ssl_\w+ .*;", "", config)


def _read_resource_usage(pid: int) -> ResourceUsage:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return ResourceUsage(len(list(Path(f"/proc/{pid}/fd").iterdir())), pages * os.sysconf("SC_PAGE_SIZE"))


def _is_server_process(pid: int) -> bool:
    """Return True for a granian worker, False for a helper process of Python's multiprocessing."""
    with suppress(OSError):
        return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
