"""The rounds of a run: flaskauth, its peers and the upper bounds are loaded in turn.

Other load on the machine thus affects all alike. The figures are medians of the ratios within a round.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from itertools import count

from tests.servers import MariaDB, Redis

from benchmarks import upper_bounds, wrk
from benchmarks.environment import durable_database
from benchmarks.flaskauth_target import running_flaskauth
from benchmarks.peers import LoadTarget, Peer
from benchmarks.run import COOLDOWN, OTHER_SECONDS, BenchmarkRun
from benchmarks.targets import (
    BARE_FLASK,
    CONNECTIONS,
    MANY_CONNECTIONS,
    NATIVE_SIGN_IN,
    OWN,
    SIGN_IN,
    STORM,
    STORM_CONNECTIONS,
    STORM_SIGN_IN,
    own_row,
)
from flaskauth.server.request_buffer import OVERLOAD_DELAY

OVERLOAD_FACTOR = 4  # ratio of offered sign-ins to the calm rate
STORM_LEAD = 1.5  # seconds of sign-ins before the operation that is measured among them


def measure(rounds: int, peers: Sequence[Peer]) -> BenchmarkRun:
    """Measure flaskauth, the upper bounds and these peers, in this number of rounds."""
    native = upper_bounds.build_native()
    with durable_database() as database, Redis() as redis, ExitStack() as servers:
        run, names = BenchmarkRun({"database": database.pid, "Redis": redis.pid}), _create_databases(database)
        target, server = servers.enter_context(running_flaskauth(database, next(names), redis))
        native_target, _ = servers.enter_context(running_flaskauth(database, next(names), redis, native))
        bare_flask = servers.enter_context(upper_bounds.running_bare_flask(server, database.url("bench0")))
        for _ in range(rounds):
            run.record_hash_rate("wheel", upper_bounds.measure_hash_rate())
            run.record_hash_rate("native build", upper_bounds.measure_hash_rate(native))
            run.measure(bare_flask, *BARE_FLASK[:2])
            run.measure(target, OWN, "serve")
            run.measure(target, OWN, "serve", 1, ("profile", "refresh"))
            run.measure(target, OWN, "serve", MANY_CONNECTIONS, ("profile", "refresh"))
            run.measure(native_target, *NATIVE_SIGN_IN[:2], operations=("sign-in",))
            measure_storm(run, target)
            for peer in peers:
                for wsgi_server in peer.servers:
                    with peer.serve(wsgi_server, database.url(next(names))) as peer_target:
                        run.measure(peer_target, peer.name, wsgi_server, warm_up=peer.warm_up_seconds)
    return run


def measure_storm(run: BenchmarkRun, target: LoadTarget) -> None:
    """Measure profile and refresh while clients offer four times the possible sign-ins."""
    calm_rate = run.rows[SIGN_IN][-1].rate
    # A rejected client also waits for the delay of the 503 response, and most clients are rejected.
    pause = STORM_CONNECTIONS / (OVERLOAD_FACTOR * calm_rate) - OVERLOAD_DELAY
    sign_in = replace(target.loads["sign-in"](), pause_ms=round(1000 * max(0, pause)))
    for operation in ("profile", "refresh"):
        load = target.loads[operation]()
        with ThreadPoolExecutor(1) as pool:
            seconds = OTHER_SECONDS + 2 * STORM_LEAD
            sign_ins = pool.submit(wrk.run, target.port, sign_in, STORM_CONNECTIONS, seconds)
            time.sleep(STORM_LEAD)
            run.record(own_row(operation, server=STORM), run.apply_load(target, load, operation, CONNECTIONS))
            run.record(STORM_SIGN_IN, sign_ins.result())
        time.sleep(COOLDOWN)


def _create_databases(database: MariaDB) -> Iterator[str]:
    for name in (f"bench{number}" for number in count()):
        database.create(name)
        yield name
