"""One benchmark run: which system is loaded with which operation, for how long, and the results."""

import time
from dataclasses import dataclass, field

from benchmarks import wrk
from benchmarks.peers import LoadTarget
from benchmarks.wrk import LoadResult

DEFAULT_CONNECTIONS = 16
SECONDS = {"profile": 3.0, "refresh": 3.0, "sign-in": 4.0, "register": 4.0}
HASHING_OPERATIONS = {"sign-in", "register"}
COOLDOWN = 4.0  # seconds in which a server may still hash for connections that are closed


@dataclass
class BenchmarkRun:
    """The results of each round by system, server, operation and number of connections, and the raw hash rates."""

    rows: dict[tuple[str, str, str, int], list[LoadResult]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)

    def record(self, system: str, server: str, operation: str, connections: int, result: LoadResult) -> None:
        self.rows.setdefault((system, server, operation, connections), []).append(result)
        columns = (system, server, operation, connections, f"{result.rate:.0f}/s", f"p99 {result.p99:.1f} ms")
        errors = (
            (f"{result.error_responses} error responses, {result.socket_errors} socket errors",)
            if result.error_responses + result.socket_errors
            else ()
        )
        print(*columns, *errors, sep="\t", flush=True)

    def record_rate(self, operation: str, rate: float) -> None:
        self.rates.setdefault(operation, []).append(rate)
        print(operation, f"{rate:.0f}/s", sep="\t", flush=True)

    def measure(
        self, target: LoadTarget, system: str, server: str, connections: int = DEFAULT_CONNECTIONS, warm_up: float = 0
    ) -> None:
        """Load the target with each of its operations in turn."""
        for operation, make_load in target.loads.items():
            load = make_load()
            if warm_up and operation not in HASHING_OPERATIONS:
                wrk.run(target.port, load, connections, warm_up)
            self.record(
                system, server, operation, connections, wrk.run(target.port, load, connections, SECONDS[operation])
            )
            if operation in HASHING_OPERATIONS:
                time.sleep(COOLDOWN)
