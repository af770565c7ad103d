"""CPU time, context switches and memory of the measured processes, from /proc."""

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LOAD_GENERATOR = "load generator"


@dataclass
class Usage:
    """CPU seconds by process, the context switches of the server, and the share of time in which a processor idled."""

    cpu_seconds: dict[str, float] = field(default_factory=dict)
    switches: int = 0
    idle: float = 0.0


@contextmanager
def measure_usage(processes: Mapping[str, int]) -> Iterator[Usage]:
    """Yield the usage of these processes with their descendants, and of the load generator; it is filled at the end.

    The key "server" is the process whose context switches are counted.
    """
    usage = Usage()
    before, switches, (idle, total) = _cpu_seconds(processes), _switches(processes), _processor_ticks()
    yield usage
    after, (idle_after, total_after) = _cpu_seconds(processes), _processor_ticks()
    usage.cpu_seconds = {name: after[name] - before[name] for name in after}
    usage.switches = _switches(processes) - switches
    usage.idle = (idle_after - idle) / max(1, total_after - total)


def process_tree(pid: int) -> Iterator[int]:
    """Yield the ids of a process and all its descendants."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            for child in children.read_text().split():
                yield from process_tree(int(child))


def proportional_set_size(pid: int) -> int:
    """Return the memory of a process in bytes; pages that several processes share count once in total."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _cpu_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    ticks = {name: sum(map(_cpu_ticks, process_tree(pid))) for name, pid in processes.items()}
    ended_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = {name: count / TICKS_PER_SECOND for name, count in ticks.items()}
    return {**seconds, LOAD_GENERATOR: ended_children.ru_utime + ended_children.ru_stime}


def _cpu_ticks(pid: int) -> int:
    """Return the user and system time of a process: fields 14 and 15 of proc(5) stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _switches(processes: Mapping[str, int]) -> int:
    total = 0
    for pid in process_tree(processes["server"]):
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            with suppress(OSError):
                total += sum(
                    int(line.split()[1]) for line in status.read_text().splitlines() if "ctxt_switches" in line
                )
    return total


def _processor_ticks() -> tuple[int, int]:
    """Return the idle time of all processors, which includes waits for the disk, and the total time."""
    ticks = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
