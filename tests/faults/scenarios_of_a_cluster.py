"""The faults of a Galera cluster of three nodes, on which the same people are under way."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from tests.documentation.blocks import as_words, block
from tests.faults import of_a_cluster as cluster
from tests.faults import of_the_database as database
from tests.faults.scenarios import SOME, Scenario
from tests.faults.site import Site, site
from tests.journeys.processes import Place
from tests.servers.galera import Galera

GUIDE = "docs/galera.md"
# A node that says nothing more is waited for during five seconds before the others go on without it.
FAILOVER = replace(SOME, recovers_in=10)
# One that goes on as if nothing had been believes itself in step: it is left behind, and taken in again, once more.
RESUMED = replace(SOME, recovers_in=15)


class TwoWriters(Site):
    """Each server writes to a node of its own."""

    def place_of(self, at: int) -> Place:
        assert isinstance(self.database, Galera)
        own = self.place.settings["SQLALCHEMY_DATABASE_URI"]
        node = self.database.nodes[at]
        return self.place.having(SQLALCHEMY_DATABASE_URI=own.replace(f":{self.wire.port}/", f":{node.port}/"))


def nodes(*options: str) -> Galera:
    """As the guide says, but for these options."""
    files = {"galera-check": block(GUIDE, "check"), "galera-check.cnf": block(GUIDE, "login")}
    user = block(GUIDE, "user").replace("10.0.0.%", "127.0.0.1")
    return Galera(block(GUIDE, "haproxy"), files, user, *as_words(block(GUIDE, "node")), *options)


def one_writer() -> AbstractContextManager[Site]:
    return site(nodes)


def two_writers() -> AbstractContextManager[Site]:
    return site(nodes, TwoWriters)


def two_that_read_old_rows() -> AbstractContextManager[Site]:
    return site(partial(nodes, "--wsrep-sync-wait=0"), TwoWriters)


_led = partial(Scenario, bounds=FAILOVER, site=one_writer)

OF_A_CLUSTER: Sequence[Scenario] = (
    _led("R14", "the writing node killed, back later", cluster.kill_the_writer, bold=True),
    _led("R15", "a node cut off: the writing one, one that stands by", cluster.part, bold=True),
    _led("R16", "two writers, and races on both", cluster.race_on_two_writers, site=two_writers, bold=True),
    _led(
        "R17", "ended at one node, used at another", cluster.use_what_was_ended_elsewhere, site=two_writers, bold=True
    ),
    _led(
        "R17b",
        "the same without wsrep_sync_wait",
        cluster.use_what_was_ended_elsewhere,
        site=two_that_read_old_rows,
        is_judged=False,
    ),
    _led(
        "R18a", "a node paused: a short while, longer, the writing one", cluster.pause_a_node, bounds=RESUMED, bold=True
    ),
    _led("R18b", "all nodes killed, founded again", database.kill_the_database, bold=True),
    _led("R40", "migrated at two nodes at once", cluster.migrate_at_two_nodes),
)
