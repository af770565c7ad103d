"""Faults of a cluster of databases. Each is made again and again until its time is over."""

import threading
import time
from functools import partial

from sqlalchemy.exc import DBAPIError
from tests.faults.asking import Desk
from tests.faults.history import Bounds, Ending, History
from tests.faults.judges_of_calls import what_was_revoked_stays_so
from tests.faults.people import Person
from tests.faults.under_way import Run
from tests.inside import together
from tests.servers.galera import Galera, Node

from flaskauth import migrations

CONFLICTS = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
RIVALS = 4  # people who race by themselves
AT_ONCE = 6
SIGN_INS = 15  # of each person


def kill_the_writer(run: Run) -> None:
    for _ in run.each():
        writer = _cluster(run).writer()
        writer.kill()
        run.broke += 1
        run.healed()  # it is not: the others have to do without
        writer.start()


def part(run: Run) -> None:
    """A node is cut off from the others: the one that is written to, and one that stands by."""
    cluster = _cluster(run)
    cluster.create("minority")
    cluster.execute("CREATE TABLE minority.writings (id INT AUTO_INCREMENT PRIMARY KEY)")
    for number in run.each():
        node = cluster.writer() if number % 2 == 0 else cluster.spare()
        node.isolate(is_alone=True)
        trial = threading.Thread(target=_write_to_the_minority, args=(run, node))
        trial.start()
        run.healed()
        trial.join()
        node.isolate(is_alone=False)
        node.wait_until_synced()
        run.healed()
    assert run.site.execute("SELECT id FROM minority.writings") == 0, "a minority wrote"


def _write_to_the_minority(run: Run, node: Node) -> None:
    """It hangs as long as the node does not know that it is alone, and is refused from then on."""
    stop = time.monotonic() + 10
    while time.monotonic() < stop:
        try:
            node.execute("INSERT INTO minority.writings VALUES ()")
        except DBAPIError:
            run.broke += 1
        time.sleep(0.2)


def race_on_two_writers(run: Run) -> None:
    """Each server writes to a node of its own, and the same codes and tokens are brought to both."""
    for _ in run.each():
        stop = time.monotonic() + 6
        together([partial(_race, run, stop)] * RIVALS)
        run.broke = sum(int(node.status(name)) for node in _cluster(run).nodes for name in CONFLICTS)
        run.healed()
    run.tell(f"{run.broke} conflicts between the nodes")


def _race(run: Run, stop: float) -> None:
    while time.monotonic() < stop:
        person = Person(run.desk, run.site.mailbox)
        if person.join(AT_ONCE) and person.sign_in():
            for _ in range(4):
                person.refresh_at_once(AT_ONCE)
            person.sign_out()


def use_what_was_ended_elsewhere(run: Run) -> None:
    """Sign out at one server, and bring the tokens to the other at once, which reads another node."""
    for _ in run.each():
        leaving = partial(_leave_again_and_again, run, time.monotonic() + max(10, run.seconds / 2))
        together([leaving] * RIVALS)
        run.broke = _ended(run.desk.history)
        run.healed()
    run.tell(_accepted(run.desk.history))


def _leave_again_and_again(run: Run, stop: float) -> None:
    here, there = (Desk((port,), run.desk.history) for port in run.site.ports)
    while time.monotonic() < stop:
        person = Person(here, run.site.mailbox, elsewhere=there)
        for _ in range(SIGN_INS if person.join() else 0):
            if time.monotonic() < stop and person.sign_in():
                person.sign_out()


def _accepted(history: History) -> str:
    accepted = len(list(what_was_revoked_stays_so(history.calls, Ending(), Bounds())))
    return f"{accepted} tokens accepted after {_ended(history)} sign-outs at the other node"


def _ended(history: History) -> int:
    return sum(call.action == "logout" and call.outcome == "ok" for call in history.calls)


def pause_a_node(run: Run) -> None:
    """A node stops for less than it takes to be left behind, then for longer; then the one that is written to."""
    for number in run.each():
        cluster = _cluster(run)
        node = cluster.writer() if number % 3 == 2 else cluster.spare()
        node.pause()
        time.sleep(9 if number % 3 else 4)
        node.resume()
        node.wait_until_synced()
        run.broke += 1
        run.healed()


def migrate_at_two_nodes(run: Run) -> None:
    """An empty database is migrated by one who writes to one node, and at the same moment by another at the next."""
    for number in run.each():
        _cluster(run).create(name := f"migrated_{number}")
        places = [run.site.place.having(SQLALCHEMY_DATABASE_URI=node.url(name)) for node in _cluster(run).nodes[:2]]
        for said in together([partial(place.run, "flaskauth", "db", "upgrade") for place in places]):
            assert f"at revision {migrations.head()}" in said, said
        regions = _cluster(run).ask(f"SELECT COUNT(*) FROM {name}.regions")
        assert regions == run.site.execute("SELECT code FROM regions"), f"{regions} regions"
        run.broke += 1
        run.healed()


def _cluster(run: Run) -> Galera:
    assert isinstance(run.site.database, Galera)
    return run.site.database
