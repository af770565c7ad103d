"""Faults of a Galera cluster. Each is repeated until the time of the scenario is over."""

import threading
import time
from functools import partial

from sqlalchemy.exc import DBAPIError
from tests.chaos.checkers.responses import check_revoked_sessions_stay_revoked
from tests.chaos.clients import SimulatedUser
from tests.chaos.history import Expectations, FinalState, History
from tests.chaos.http_client import RecordingClient
from tests.chaos.runner import ScenarioRun
from tests.servers.galera import Galera, Node
from tests.support.inspect import run_concurrently

from flaskauth import migrations

CONFLICT_COUNTERS = ("wsrep_local_cert_failures", "wsrep_local_bf_aborts")
RACING_USERS = 4
PARALLEL_REQUESTS = 6
SIGN_INS_PER_USER = 15


def kill_writer_node(run: ScenarioRun) -> None:
    for _ in run.iterations():
        writer = _get_cluster(run).writer()
        writer.kill()
        run.fault_count += 1
        run.record_recovery()  # with the remaining nodes
        writer.start()


def partition_node(run: ScenarioRun) -> None:
    """Partition a node from the others: first the writer, then a standby."""
    cluster = _get_cluster(run)
    cluster.create("minority")
    cluster.execute("CREATE TABLE minority.writings (id INT AUTO_INCREMENT PRIMARY KEY)")
    for number in run.iterations():
        node = cluster.writer() if number % 2 == 0 else cluster.standby()
        node.isolate(is_alone=True)
        writer_thread = threading.Thread(target=_write_to_minority, args=(run, node))
        writer_thread.start()
        run.record_recovery()
        writer_thread.join()
        node.isolate(is_alone=False)
        node.wait_until_synced()
        run.record_recovery()
    assert run.environment.execute_sql("SELECT id FROM minority.writings") == 0, "a minority wrote"


def _write_to_minority(run: ScenarioRun, node: Node) -> None:
    """Write to the partitioned node. It hangs until it detects the partition, then rejects writes."""
    stop = time.monotonic() + 10
    while time.monotonic() < stop:
        try:
            node.execute("INSERT INTO minority.writings VALUES ()")
        except DBAPIError:
            run.fault_count += 1
        time.sleep(0.2)


def race_on_two_writers(run: ScenarioRun) -> None:
    """Each server writes to its own node, and the same codes and tokens are sent to both."""
    for _ in run.iterations():
        stop = time.monotonic() + 6
        run_concurrently([partial(_race_requests, run, stop)] * RACING_USERS)
        run.fault_count = sum(int(node.status(name)) for node in _get_cluster(run).nodes for name in CONFLICT_COUNTERS)
        run.record_recovery()
    run.print_measurement(f"{run.fault_count} conflicts between the nodes")


def _race_requests(run: ScenarioRun, stop: float) -> None:
    while time.monotonic() < stop:
        user = SimulatedUser(run.client, run.environment.mailbox)
        if user.register_and_verify(PARALLEL_REQUESTS) and user.sign_in():
            for _ in range(4):
                user.refresh_in_parallel(PARALLEL_REQUESTS)
            user.sign_out()


def use_tokens_revoked_on_other_node(run: ScenarioRun) -> None:
    """Sign out at one server and immediately send the tokens to the other one, which reads from a different node."""
    for _ in run.iterations():
        work = partial(_sign_in_and_out_repeatedly, run, time.monotonic() + max(10, run.seconds / 2))
        run_concurrently([work] * RACING_USERS)
        run.fault_count = _count_sign_outs(run.client.history)
        run.record_recovery()
    run.print_measurement(_summarize_accepted_tokens(run.client.history))


def _sign_in_and_out_repeatedly(run: ScenarioRun, stop: float) -> None:
    client, other_client = (RecordingClient((port,), run.client.history) for port in run.environment.ports)
    while time.monotonic() < stop:
        user = SimulatedUser(client, run.environment.mailbox, other_client=other_client)
        for _ in range(SIGN_INS_PER_USER if user.register_and_verify() else 0):
            if time.monotonic() < stop and user.sign_in():
                user.sign_out()


def _summarize_accepted_tokens(history: History) -> str:
    accepted = len(list(check_revoked_sessions_stay_revoked(history.calls, FinalState(), Expectations())))
    return f"{accepted} tokens accepted after {_count_sign_outs(history)} sign-outs at the other node"


def _count_sign_outs(history: History) -> int:
    return sum(call.action == "logout" and call.outcome == "ok" for call in history.calls)


def pause_node(run: ScenarioRun) -> None:
    """Pause a standby shortly, then for longer than the eviction timeout, then the writer."""
    for number in run.iterations():
        cluster = _get_cluster(run)
        node = cluster.writer() if number % 3 == 2 else cluster.standby()
        node.pause()
        time.sleep(9 if number % 3 else 4)
        node.resume()
        node.wait_until_synced()
        run.fault_count += 1
        run.record_recovery()


def migrate_on_two_nodes(run: ScenarioRun) -> None:
    """Migrate an empty database concurrently on two nodes."""
    for number in run.iterations():
        _get_cluster(run).create(name := f"migrated_{number}")
        workspaces = [
            run.environment.workspace.with_settings(SQLALCHEMY_DATABASE_URI=node.url(name))
            for node in _get_cluster(run).nodes[:2]
        ]
        for output in run_concurrently(
            [partial(workspace.run, "flaskauth", "db", "upgrade") for workspace in workspaces]
        ):
            assert f"at revision {migrations.head()}" in output, output
        regions = _get_cluster(run).query_scalar(f"SELECT COUNT(*) FROM {name}.regions")
        assert regions == run.environment.execute_sql("SELECT code FROM regions"), f"{regions} regions"
        run.fault_count += 1
        run.record_recovery()


def _get_cluster(run: ScenarioRun) -> Galera:
    assert isinstance(run.environment.database, Galera)
    return run.environment.database
