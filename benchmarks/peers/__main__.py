"""python -m benchmarks.peers [NAME]: install them, and see that each answers all that the benchmark asks of it.

Each operation under each server for some seconds; an answer that was refused, or that is about nobody, ends it with 1.
"""

import sys
import time

from tests.servers import MariaDB
from tests.servers.packages import CannotInstall

from benchmarks import wrk
from benchmarks.grounds import DURABLE
from benchmarks.peers import PEERS, Peer, Site
from benchmarks.peers.asking import Visit

CONNECTIONS = 16
SECONDS = {"profile": 2, "refresh": 2, "sign-in": 4, "register": 4}  # a hash takes its time, and 16 wait for theirs
CALM = 4  # seconds after those, in which it hashes for connections that are closed
ROW = "{:<42} {:<10} {:<10} {:>9} {:>9} {:>8} {:>7}"


def main(words: list[str]) -> int:
    """Whoever has these words in the name; all, without words."""
    chosen = [peer for peer in PEERS if all(word.lower() in peer.name.lower() for word in words)]
    try:
        for peer in chosen:
            peer.install()
    except CannotInstall as problem:
        print(problem, file=sys.stderr)
        return 1
    for peer in chosen:
        print(f"{peer.name}: {peer.hash}; {peer.versions()}")
    print(ROW.format("peer", "server", "operation", "per sec.", "p99 ms", "refused", "broken"))
    with MariaDB(DURABLE) as database:
        places = [(peer, server) for peer in chosen for server in peer.servers]
        return int(not all([_works(*place, database, f"peer{number}") for number, place in enumerate(places)]))


def _works(peer: Peer, server: str, database: MariaDB, name: str) -> bool:
    database.create(name)
    with peer.serving(server, database.url(name)) as site:
        return all([_answers(peer, server, site, operation) for operation in site.loads])


def _answers(peer: Peer, server: str, site: Site, operation: str) -> bool:
    load = site.loads[operation]()
    if operation == "profile" and not _is_about_somebody(site, load):
        print(f"{peer.name}: the profile is nobody's")
        return False
    if peer.warm_up and operation in {"profile", "refresh"}:
        wrk.run(site.port, load, CONNECTIONS, peer.warm_up)
    figures = wrk.run(site.port, load, CONNECTIONS, SECONDS[operation])
    if operation in {"sign-in", "register"}:
        time.sleep(CALM)
    told = (f"{figures.rate:.0f}", f"{figures.p99:.1f}", figures.refused, figures.broken)
    print(ROW.format(peer.name, server, operation, *told), flush=True)
    return figures.rate > 0 and not figures.refused and not figures.broken


def _is_about_somebody(site: Site, load: wrk.Load) -> bool:
    headers = {**load.headers, load.token_header: load.token_prefix + load.tokens[0]}
    return b"grace0@" in Visit(site.port).ask(load.method, load.path, load.body, headers).body


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
