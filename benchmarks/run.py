"""One run of the benchmark: who is loaded with what, for how long, and what came of it."""

import time
from dataclasses import dataclass, field

from benchmarks import wrk
from benchmarks.peers import Site
from benchmarks.wrk import Figures

USUAL = 16  # connections
SECONDS = {"profile": 3.0, "refresh": 3.0, "sign-in": 4.0, "register": 4.0}
HASHED = {"sign-in", "register"}
CALM = 4.0  # seconds after hashes, in which a server still hashes for connections that are closed


@dataclass
class Run:
    """Everything that was measured: who, under which server, what, with how many connections; figures each round."""

    rows: dict[tuple[str, str, str, int], list[Figures]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def note(self, who: str, server: str, what: str, connections: int, figures: Figures) -> None:
        self.rows.setdefault((who, server, what, connections), []).append(figures)
        told = (who, server, what, connections, f"{figures.rate:.0f}/s", f"p99 {figures.p99:.1f} ms")
        failed = (f"{figures.refused} refused, {figures.broken} broken",) if figures.refused + figures.broken else ()
        print(*told, *failed, sep="\t", flush=True)

    def rate(self, what: str, rate: float) -> None:
        self.rates.setdefault(what, []).append(rate)
        print(what, f"{rate:.0f}/s", sep="\t", flush=True)

    def load(self, site: Site, who: str, server: str, connections: int = USUAL, warm_up: float = 0) -> None:
        """Ask for each operation that this one has."""
        for what, ask in site.loads.items():
            load = ask()
            if warm_up and what not in HASHED:
                wrk.run(site.port, load, connections, warm_up)
            self.note(who, server, what, connections, wrk.run(site.port, load, connections, SECONDS[what]))
            if what in HASHED:
                time.sleep(CALM)
