"""One benchmark run: the results of each round by system, server, operation and number of connections."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks import wrk
from benchmarks.peers import LoadTarget
from benchmarks.targets import CONNECTIONS, Row
from benchmarks.upper_bounds import HashRate
from benchmarks.usage import measure_usage
from benchmarks.wrk import Load, LoadResult

SECONDS = {"sign-in": 4.0, "register": 4.0}  # of load; the operations that hash
OTHER_SECONDS = 3.0
COOLDOWN = 2.0  # seconds in which a server may still hash for connections that are closed


@dataclass
class BenchmarkRun:
    """The results of each row, and the raw hash rates of each round by the build of the hash."""

    shared_processes: Mapping[str, int] = field(default_factory=dict)
    """The processes of the database and of Redis, whose CPU time is measured with that of the server."""
    rows: dict[Row, list[LoadResult]] = field(default_factory=dict)
    hash_rates: dict[str, list[HashRate]] = field(default_factory=dict)

    def record(self, row: Row, result: LoadResult) -> None:
        self.rows.setdefault(row, []).append(result)
        print(*row, result.summary(), sep="\t", flush=True)

    def record_hash_rate(self, build: str, rate: HashRate) -> None:
        self.hash_rates.setdefault(build, []).append(rate)
        print(f"raw hash rate, {build}", f"{rate.per_second:.0f}/s", sep="\t", flush=True)

    def measure(
        self,
        target: LoadTarget,
        system: str,
        server: str,
        connections: int = CONNECTIONS,
        operations: tuple[str, ...] = (),
        warm_up: float = 0,
    ) -> None:
        """Load the target with these of its operations in turn; by default with all of them."""
        for operation in operations or target.loads:
            load = target.loads[operation]()
            if warm_up and operation not in SECONDS:
                wrk.run(target.port, load, connections, warm_up)
            self.record((system, server, operation, connections), self.apply_load(target, load, operation, connections))
            if operation in SECONDS:
                time.sleep(COOLDOWN)

    def apply_load(self, target: LoadTarget, load: Load, operation: str, connections: int) -> LoadResult:
        """Load the target and return the result with the CPU time of its processes."""
        with measure_usage({"server": target.pid, **self.shared_processes}) as usage:
            result = wrk.run(target.port, load, connections, SECONDS.get(operation, OTHER_SECONDS))
        successes = max(1.0, result.rate * result.seconds)
        cpu_ms = {name: 1000 * seconds / successes for name, seconds in usage.cpu_seconds.items()}
        return replace(result, cpu_ms=cpu_ms, switches=usage.switches / successes, idle=usage.idle)


def processor_shares(result: LoadResult) -> dict[str, float]:
    """Return the share of all processors that each process used during a load."""
    processors = os.cpu_count() or 1
    shares = {name: ms * result.rate / 1000 / processors for name, ms in result.cpu_ms.items()}
    others = max(0.0, 1 - sum(shares.values()) - result.idle)
    return {**shares, "other processes": others, "idle": result.idle}
