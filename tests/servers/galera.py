"""A MariaDB Galera cluster of three nodes behind haproxy."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Self

from sqlalchemy.exc import DBAPIError
from tests.servers.cluster_tools import ClusterTools, find_cluster_tools
from tests.servers.databases import MariaDB
from tests.servers.haproxy import HAProxy
from tests.servers.process import free_port
from tests.servers.sql import PASSWORD, USER, SqlServer
from tests.support.inspect import run_concurrently

SYNCED = "4"
BOOTSTRAP_OPTION = "--wsrep-new-cluster"
RECOVERED_POSITION = re.compile(r"WSREP: Recovered position:? (\S+:-?\d+)")


class Node(MariaDB):
    """A node of a cluster. It synchronizes with the others before it is ready."""

    name = "galera"
    start_timeout = 90.0
    run_as_user = "mysql"  # state transfers (rsync) must not run as root

    def __init__(self, number: int, *options: str) -> None:
        super().__init__(*options)
        self.number = number
        self.group_port = free_port()  # for replication
        self.state_transfer_ports = free_port(), free_port()  # incremental (IST) and full (SST)
        self.members: Sequence[Node] = (self,)
        self.is_first = False
        self.position = ""

    @cached_property
    def tools(self) -> ClusterTools:
        return find_cluster_tools()

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.binaries.environment, **self.tools.environment}

    def initialize_data(self) -> None:
        """Create tables and users on the first node; the others receive them by state transfer."""
        if self.is_first:
            super().initialize_data()
        else:
            self.create_data_folder()

    def create_data_folder(self) -> None:
        super().create_data_folder()
        for folder in (self.home, self.home / "data") if os.geteuid() == 0 else ():
            shutil.chown(folder, self.run_as_user)

    def start(self) -> Self:
        """Bootstrap the cluster, or join it."""
        self.position = self.recovered_position()
        if self.is_first and self.position:
            self._mark_safe_to_bootstrap()
        return super().start()

    def command(self) -> Sequence[str | Path]:
        incremental_port, full_port = self.state_transfer_ports
        listen = f"gmcast.listen_addr=tcp://127.0.0.1:{self.group_port};ist.recv_addr=127.0.0.1:{incremental_port}"
        return [
            *super().command(),
            "--wsrep-on=ON",
            f"--wsrep-provider={self.tools.provider}",
            f"--wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{node.group_port}' for node in self.members)}",
            f"--wsrep-node-name=node{self.number}",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{full_port}",
            f"--wsrep-provider-options=base_port={self.group_port};{listen};gcache.size=32M",
            *([f"--wsrep-start-position={self.position}"] if self.position else []),
            *([BOOTSTRAP_OPTION] if self.is_first else []),
        ]

    def is_ready(self) -> bool:
        return self._accepts_connections() and self.status("wsrep_local_state") == SYNCED

    def status(self, name: str) -> str:
        """Return a status variable of the node, or "" if it cannot be queried."""
        with suppress(DBAPIError), self._root.connect() as connection:
            return str(connection.exec_driver_sql(f"SHOW GLOBAL STATUS LIKE '{name}'").one()[1])
        return ""

    def isolate(self, *, is_alone: bool) -> None:
        """Cut all connections to the other nodes, or reconnect."""
        self.execute(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(is_alone)}'")

    def wait_until_synced(self) -> None:
        self._wait_until(self.is_ready)

    def recovered_position(self) -> str:
        """Return the id of the cluster and the number of the last transaction before the node ended, or ""."""
        if not (self.home / "data/grastate.dat").exists():
            return ""
        self.position = ""
        command = [*(option for option in self.command() if option != BOOTSTRAP_OPTION), "--wsrep-recover"]
        output = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stderr
        positions = RECOVERED_POSITION.findall(output)
        return str(positions[-1]) if positions else ""

    def last_transaction(self) -> int:
        return int(self.recovered_position().rpartition(":")[2] or -1)

    def _mark_safe_to_bootstrap(self) -> None:
        """Declare that no other node is ahead, which after a crash only the operator can know."""
        state = self.home / "data/grastate.dat"
        state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        (self.home / "data/gvwstate.dat").unlink(missing_ok=True)


class Galera(SqlServer):
    """A cluster of three nodes behind haproxy, which sends all connections to one node."""

    def __init__(self, configuration: str, files: Mapping[str, str], user: str, *options: str) -> None:
        """`configuration` and `files` are haproxy's; `user` is the statement that creates its database user."""
        self._user = user
        self.nodes = [Node(number, *options) for number in (1, 2, 3)]
        for node in self.nodes:
            node.members = self.nodes
        self.load_balancer = HAProxy(configuration, files)
        self.port = self.load_balancer.port
        self.load_balancer.replacements = {"127.0.0.1:3306": f"127.0.0.1:{self.port}"}
        for node in self.nodes:
            self.load_balancer.replacements[f"10.0.0.1{node.number}:3306"] = f"127.0.0.1:{node.port}"
        SqlServer.__init__(self, self.nodes[0].root)

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        self.nodes[0].create(database)

    def execute(self, statement: str) -> None:
        """Execute a statement as root on the first node that is ready."""
        next(node for node in self.nodes if node.is_ready()).execute(statement)

    def start(self) -> Self:
        """Bootstrap the cluster from the node with the newest transaction; the others join."""
        first = max(self.nodes, key=lambda node: node.last_transaction())
        for node in sorted(self.nodes, key=lambda node: node is not first):
            node.is_first = node is first
            node.start()
            node.is_first = False
        return self

    def kill(self) -> None:
        """Kill all nodes concurrently."""
        run_concurrently([node.kill for node in self.nodes])

    def writer(self) -> Node:
        """Return the node that haproxy uses, which is the one with the most connections."""
        return max(self.nodes, key=lambda node: int(node.status("Threads_connected") or 0))

    def standby(self) -> Node:
        """Return a node that haproxy does not use."""
        writer = self.writer()
        return next(node for node in self.nodes if node is not writer)

    def pause(self) -> None:
        for node in self.nodes:
            node.pause()

    def resume(self) -> None:
        for node in self.nodes:
            node.resume()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.execute(self._user)
            self.load_balancer.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for server in (self.load_balancer, *self.nodes):
            server.close()
