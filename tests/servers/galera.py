"""Three nodes of MariaDB's Galera cluster, and haproxy in front of them."""

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
from tests.inside import together
from tests.servers.clusters import ClusterTools, cluster_tools
from tests.servers.databases import MariaDB
from tests.servers.haproxy import HAProxy
from tests.servers.process import free_port
from tests.servers.sql import PASSWORD, USER, SqlServer

SYNCED = "4"
FOUND = "--wsrep-new-cluster"
RECOVERED = re.compile(r"WSREP: Recovered position:? (\S+:-?\d+)")


class Node(MariaDB):
    """One of a cluster. It gets what it lacks from the others before it answers."""

    name = "galera"
    patience = 90.0
    becomes = "mysql"  # what the state arrives by writes as nobody where root has started it

    def __init__(self, number: int, *options: str) -> None:
        super().__init__(*options)
        self.number = number
        self.group = free_port()  # at which nodes talk
        self.ports_of_states = free_port(), free_port()  # increments, and the whole
        self.everybody: Sequence[Node] = (self,)
        self.is_first = False
        self.position = ""

    @cached_property
    def tools(self) -> ClusterTools:
        return cluster_tools()

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self.binaries.environment, **self.tools.environment}

    def fill(self) -> None:
        """The first has tables and users; the others get them from it."""
        if self.is_first:
            super().fill()
        else:
            self.make_folder()

    def make_folder(self) -> None:
        super().make_folder()
        for folder in (self.home, self.home / "data") if os.geteuid() == 0 else ():
            shutil.chown(folder, self.becomes)

    def start(self) -> Self:
        """Found the cluster, or join it."""
        self.position = self.recovered()
        if self.is_first and self.position:
            self._vouch()
        return super().start()

    def command(self) -> Sequence[str | Path]:
        increments, whole = self.ports_of_states
        talking = f"gmcast.listen_addr=tcp://127.0.0.1:{self.group};ist.recv_addr=127.0.0.1:{increments}"
        return [
            *super().command(),
            "--wsrep-on=ON",
            f"--wsrep-provider={self.tools.provider}",
            f"--wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{node.group}' for node in self.everybody)}",
            f"--wsrep-node-name=node{self.number}",
            "--wsrep-node-address=127.0.0.1",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{whole}",
            f"--wsrep-provider-options=base_port={self.group};{talking};gcache.size=32M",
            *([f"--wsrep-start-position={self.position}"] if self.position else []),
            *([FOUND] if self.is_first else []),
        ]

    def answers(self) -> bool:
        return self._greets() and self.status("wsrep_local_state") == SYNCED

    def status(self, name: str) -> str:
        """What the node says of itself; nothing where it cannot be asked."""
        with suppress(DBAPIError), self._root.connect() as connection:
            return str(connection.exec_driver_sql(f"SHOW GLOBAL STATUS LIKE '{name}'").one()[1])
        return ""

    def isolate(self, *, is_alone: bool) -> None:
        """Cut every link to the other nodes, or have it look for them again."""
        self.execute(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(is_alone)}'")

    def wait_until_synced(self) -> None:
        self._wait_until(self.answers)

    def recovered(self) -> str:
        """How far it had come when it ended: the cluster's name, and the number of its last transaction."""
        if not (self.home / "data/grastate.dat").exists():
            return ""
        self.position = ""
        words = [*(word for word in self.command() if word != FOUND), "--wsrep-recover"]
        said = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False).stderr
        found = RECOVERED.findall(said)
        return str(found[-1]) if found else ""

    def last_transaction(self) -> int:
        return int(self.recovered().rpartition(":")[2] or -1)

    def _vouch(self) -> None:
        """Have it known that no other node is ahead, which after a crash only its operator can know."""
        state = self.home / "data/grastate.dat"
        state.write_text(state.read_text().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1"))
        (self.home / "data/gvwstate.dat").unlink(missing_ok=True)


class Galera(SqlServer):
    """A cluster of three, reached through haproxy, which leads everybody to one of them."""

    def __init__(self, configuration: str, files: Mapping[str, str], user: str, *options: str) -> None:
        """haproxy's configuration, the files beside it, and the statement that makes its user."""
        self._user = user
        self.nodes = [Node(number, *options) for number in (1, 2, 3)]
        for node in self.nodes:
            node.everybody = self.nodes
        self.front = HAProxy(configuration, files)
        self.port = self.front.port
        self.front.moved = {"127.0.0.1:3306": f"127.0.0.1:{self.port}"}
        for node in self.nodes:
            self.front.moved[f"10.0.0.1{node.number}:3306"] = f"127.0.0.1:{node.port}"
        SqlServer.__init__(self, self.nodes[0].root)

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        self.nodes[0].create(database)

    def execute(self, statement: str) -> None:
        """As the root of the first node that works."""
        next(node for node in self.nodes if node.answers()).execute(statement)

    def start(self) -> Self:
        """Found the cluster by the node that had come furthest, and have the others join."""
        first = max(self.nodes, key=lambda node: node.last_transaction())
        for node in sorted(self.nodes, key=lambda node: node is not first):
            node.is_first = node is first
            node.start()
            node.is_first = False
        return self

    def kill(self) -> None:
        """All at the same moment."""
        together([node.kill for node in self.nodes])

    def writer(self) -> Node:
        """The node to which haproxy leads: most are connected there."""
        return max(self.nodes, key=lambda node: int(node.status("Threads_connected") or 0))

    def spare(self) -> Node:
        """One of those that only follow."""
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
            self.front.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for server in (self.front, *self.nodes):
            server.close()
