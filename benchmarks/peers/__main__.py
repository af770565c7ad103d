"""python -m benchmarks.peers [NAME]: install the peers and check that each supports its benchmark operations.

Loads each operation under each server for some seconds. An error response or a wrong profile exits with 1.
"""

import sys

from tests.servers.packages import InstallError

from benchmarks.environment import durable_database
from benchmarks.peers import PEERS, LoadTarget
from benchmarks.peers.client import PeerClient
from benchmarks.run import BenchmarkRun


def main(name_parts: list[str]) -> int:
    """Check the peers whose names contain all these words; without words, check all."""
    selected = [peer for peer in PEERS if all(part.lower() in peer.name.lower() for part in name_parts)]
    try:
        for peer in selected:
            peer.install()
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    for peer in selected:
        print(f"{peer.name}: {peer.hash}; {peer.versions()}")
    run = BenchmarkRun()
    with durable_database() as database:
        for number, (peer, server) in enumerate(
            [(each_peer, server) for each_peer in selected for server in each_peer.servers]
        ):
            database.create(f"peer{number}")
            with peer.serve(server, database.url(f"peer{number}")) as target:
                if not _returns_own_profile(target):
                    print(f"{peer.name}: the profile is not that of the user", file=sys.stderr)
                    return 1
                run.measure(target, peer.name, server, warm_up=peer.warm_up_seconds)
    return int(
        any(
            result.error_responses or result.socket_errors or not result.rate
            for results in run.rows.values()
            for result in results
        )
    )


def _returns_own_profile(target: LoadTarget) -> bool:
    if "profile" not in target.loads:
        return True
    load = target.loads["profile"]()
    headers = {**load.headers, load.token_header: load.token_prefix + load.tokens[0]}
    return b"grace0@" in PeerClient(target.port).request(load.method, load.path, load.body, headers).body


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
