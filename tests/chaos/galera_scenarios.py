"""Fault scenarios of a Galera cluster of three nodes, under the same load."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from tests.chaos.environment import Environment, start_environment
from tests.chaos.faults import database
from tests.chaos.faults import galera as cluster
from tests.chaos.scenarios import DEFAULT_EXPECTATIONS, Scenario
from tests.docs.code_blocks import block, command_line_options
from tests.e2e.processes import Workspace
from tests.servers.galera import Galera

GUIDE = "docs/operations/galera.md"
# The other nodes wait five seconds for an unresponsive node.
FAILOVER = replace(DEFAULT_EXPECTATIONS, max_recovery_seconds=10)
# A resumed node first believes it is in sync; it is evicted and joins again.
RESUMED_NODE = replace(DEFAULT_EXPECTATIONS, max_recovery_seconds=15)


class TwoWriterEnvironment(Environment):
    """Each server writes to its own node."""

    def workspace_for(self, server: int) -> Workspace:
        assert isinstance(self.database, Galera)
        database_url = self.workspace.settings["SQLALCHEMY_DATABASE_URI"]
        node = self.database.nodes[server]
        return self.workspace.with_settings(
            SQLALCHEMY_DATABASE_URI=database_url.replace(f":{self.database_proxy.port}/", f":{node.port}/")
        )


def create_cluster(*options: str) -> Galera:
    """Return a cluster that is configured as in the guide, plus these options."""
    files = {"galera-check": block(GUIDE, "check"), "galera-check.cnf": block(GUIDE, "login")}
    user = block(GUIDE, "user").replace("10.0.0.%", "127.0.0.1")
    return Galera(block(GUIDE, "haproxy"), files, user, *command_line_options(block(GUIDE, "node")), *options)


def one_writer() -> AbstractContextManager[Environment]:
    return start_environment(create_cluster)


def two_writers() -> AbstractContextManager[Environment]:
    return start_environment(create_cluster, TwoWriterEnvironment)


def two_writers_with_stale_reads() -> AbstractContextManager[Environment]:
    return start_environment(partial(create_cluster, "--wsrep-sync-wait=0"), TwoWriterEnvironment)


_one_writer_scenario = partial(Scenario, expectations=FAILOVER, environment=one_writer)

GALERA_SCENARIOS: Sequence[Scenario] = (
    _one_writer_scenario("R14", "the writing node killed, restarted later", cluster.kill_writer_node, is_quick=True),
    _one_writer_scenario(
        "R15", "a node partitioned: the writing one, a standby", cluster.partition_node, is_quick=True
    ),
    _one_writer_scenario(
        "R16", "two writers, and races on both", cluster.race_on_two_writers, environment=two_writers, is_quick=True
    ),
    _one_writer_scenario(
        "R17",
        "revoked on one node, used on the other",
        cluster.use_tokens_revoked_on_other_node,
        environment=two_writers,
        is_quick=True,
    ),
    _one_writer_scenario(
        "R17b",
        "revoked on one node, used on the other, without wsrep_sync_wait",
        cluster.use_tokens_revoked_on_other_node,
        environment=two_writers_with_stale_reads,
        is_checked=False,
    ),
    _one_writer_scenario(
        "R18a",
        "a node paused: briefly, longer, the writing one",
        cluster.pause_node,
        expectations=RESUMED_NODE,
        is_quick=True,
    ),
    _one_writer_scenario("R18b", "all nodes killed, cluster bootstrapped", database.kill_database, is_quick=True),
    _one_writer_scenario("R40", "two nodes migrated concurrently", cluster.migrate_on_two_nodes),
)
