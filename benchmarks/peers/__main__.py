"""python -m benchmarks.peers [NAME]: install them, and see that each answers all that the benchmark asks of it.

Each operation under each server for some seconds; an answer that was refused, or that is about nobody, ends it with 1.
"""

import sys

from tests.servers import MariaDB
from tests.servers.packages import CannotInstall

from benchmarks.grounds import DURABLE
from benchmarks.peers import PEERS, Site
from benchmarks.peers.asking import Visit
from benchmarks.run import Run


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
    run = Run()
    with MariaDB(DURABLE) as database:
        for number, (peer, server) in enumerate([(one, server) for one in chosen for server in one.servers]):
            database.create(f"peer{number}")
            with peer.serving(server, database.url(f"peer{number}")) as site:
                if not _knows_who_asks(site):
                    print(f"{peer.name}: the profile is nobody's", file=sys.stderr)
                    return 1
                run.load(site, peer.name, server, warm_up=peer.warm_up)
    return int(any(one.refused or one.broken or not one.rate for figures in run.rows.values() for one in figures))


def _knows_who_asks(site: Site) -> bool:
    if "profile" not in site.loads:
        return True
    load = site.loads["profile"]()
    headers = {**load.headers, load.token_header: load.token_prefix + load.tokens[0]}
    return b"grace0@" in Visit(site.port).ask(load.method, load.path, load.body, headers).body


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
