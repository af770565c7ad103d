"""The report of a run: the targets as ratios of medians, a table of all figures, a chart, and the raw figures."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from benchmarks.peers import PEERS
from benchmarks.run import DEFAULT_CONNECTIONS, BenchmarkRun
from benchmarks.targets import Target
from benchmarks.wrk import LoadResult

RESULTS = Path(__file__).with_name("results")
OPERATIONS = ("profile", "refresh", "sign-in", "register")
BURST_CONNECTIONS = 300  # connections of a burst, each of which waits before its next request


TARGETS = (
    Target("profile_baseline", "profile, against bare Flask with one primary-key read", 0.7, "x"),
    Target("profile_peer", "profile, against the best peer", 3, "x"),
    Target("refresh_peer", "refresh, against the best peer that rotates", 3.5, "x"),
    Target("sign_in_wheel", "sign-in, against the raw hash rate", 0.87, "x"),
    Target("sign_in_native", "sign-in with a native hash build, against the raw rate of the wheel", 1.2, "x"),
    Target("register_wheel", "register, against the raw hash rate", 0.82, "x"),
    Target("profile_burst_p99", "profile during a sign-in burst, p99", 50, "ms", is_maximum=True),
    Target("profile_burst", "profile during a sign-in burst, against itself at rest", 0.4, "x"),
    Target("refresh_burst_p99", "refresh during a sign-in burst, p99", 50, "ms", is_maximum=True),
    Target("refresh_burst", "refresh during a sign-in burst, against itself at rest", 0.4, "x"),
    Target("sign_in_burst_max", "sign-in during a sign-in burst, maximum", 1000, "ms", is_maximum=True),
)


def target_table(run: BenchmarkRun) -> str:
    """Return the targets that were measured, with their results, and the fastest peers, as Markdown."""
    figures = compute_ratios(run)
    cells = [target.cells(figures) for target in TARGETS if target.key in figures]
    fastest = {operation: peer[0] for operation in ("profile", "refresh") if (peer := _fastest_peer(run, operation))}
    names = "; ".join(f"{operation}: {peer_name}" for operation, peer_name in fastest.items())
    table = _table([["measurement", "result", "target", ""], *cells])
    return table + (f"\n\nFastest peers: {names}." if names else "")


def write_results(run: BenchmarkRun, run_info: dict[str, Any]) -> str:
    """Write the three results files and return the table of targets."""
    RESULTS.mkdir(exist_ok=True)
    table = target_table(run)
    rows = [
        {
            "system": system,
            "server": server,
            "operation": operation,
            "connections": connections,
            "rounds": [asdict(result) for result in results],
        }
        for (system, server, operation, connections), results in run.rows.items()
    ]
    figures = {**run_info, "rows": rows, "hash_rates": run.rates, "ratios": compute_ratios(run)}
    RESULTS.joinpath("latest.json").write_text(json.dumps(figures, indent=1) + "\n")
    RESULTS.joinpath("latest.md").write_text(f"{_heading(run_info)}\n\n{table}\n\n{_full_table(run)}\n")
    RESULTS.joinpath("latest.svg").write_text(_render_svg(run, run_info))
    return table


def compute_ratios(run: BenchmarkRun) -> dict[str, float]:
    """Return the figure of each target, from the medians of all rounds."""
    own_rates = {operation: _median_rate(run, "flaskauth", "serve", operation) for operation in OPERATIONS}
    wheel_rate = statistics.median(run.rates["wheel"])
    ratios = {
        "profile_baseline": own_rates["profile"] / _median_rate(run, "bare Flask", "granian", "profile"),
        "sign_in_wheel": own_rates["sign-in"] / wheel_rate,
        "sign_in_native": _median_rate(run, "flaskauth, native hash", "serve", "sign-in") / wheel_rate,
        "register_wheel": own_rates["register"] / wheel_rate,
        "sign_in_burst_max": max(
            result.max_ms for result in run.rows["flaskauth", "burst", "sign-in", BURST_CONNECTIONS]
        ),
    }
    for operation in ("profile", "refresh"):
        if fastest := _fastest_peer(run, operation):
            ratios[f"{operation}_peer"] = own_rates[operation] / fastest[1]
        burst_results = run.rows["flaskauth", "burst", operation, DEFAULT_CONNECTIONS]
        ratios[f"{operation}_burst_p99"] = statistics.median(result.p99 for result in burst_results)
        ratios[f"{operation}_burst"] = statistics.median(result.rate for result in burst_results) / own_rates[operation]
    return ratios


def _median_rate(run: BenchmarkRun, system: str, server: str, operation: str) -> float:
    rounds = run.rows.get((system, server, operation, DEFAULT_CONNECTIONS), [])
    return statistics.median(result.rate for result in rounds) if rounds else 0.0


def _fastest_peer(run: BenchmarkRun, operation: str) -> tuple[str, float] | None:
    """Return the fastest peer with its faster server, and its rate. A refresh is compared only if it rotates."""
    names = {peer.name for peer in PEERS if peer.rotates_refresh_tokens or operation != "refresh"}
    candidates = {
        (system, server)
        for system, server, row_operation, _ in run.rows
        if system in names and row_operation == operation
    }
    rates = {f"{system} ({server})": _median_rate(run, system, server, operation) for system, server in candidates}
    return max(rates.items(), key=lambda item: item[1]) if rates else None


def _full_table(run: BenchmarkRun) -> str:
    """Return all rates as Markdown: median, minimum and maximum of the rounds."""
    systems = list(dict.fromkeys((system, server, connections) for system, server, _, connections in run.rows))
    header = ["", "server", "connections", *(f"{operation}, 1/s" for operation in OPERATIONS), "profile p99, ms"]
    table = [header]
    for system, server, connections in systems:
        cells = [_spread(run.rows.get((system, server, operation, connections))) for operation in OPERATIONS]
        p99 = run.rows.get((system, server, "profile", connections))
        table.append(
            [
                system,
                server,
                str(connections),
                *cells,
                f"{statistics.median(result.p99 for result in p99):.1f}" if p99 else "",
            ]
        )
    rates = [f"Raw hash rate, {name}: {statistics.median(hash_rates):.0f}/s." for name, hash_rates in run.rates.items()]
    return "\n\n".join([_table(table), *rates, _hash_parameters()])


def _hash_parameters() -> str:
    peer_hashes = "; ".join(f"{peer.name} {peer.hash}" for peer in PEERS)
    return f"Hashes: flaskauth argon2id m=19456, t=2, p=1; {peer_hashes}."


def _spread(rounds: Sequence[LoadResult] | None) -> str:
    if not rounds:
        return ""
    rates = [result.rate for result in rounds]
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    header, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([header, f"|{'---|' * len(rows[0])}", *body])


def _heading(run_info: dict[str, Any]) -> str:
    return (
        f"Measured on {run_info['date']} at commit {run_info['commit']}: {run_info['processors']} processors"
        f" ({run_info['processor']}), shared by the load generator, the database and the servers."
        f" Medians of {run_info['rounds']} rounds, with minimum and maximum."
    )


def _render_svg(run: BenchmarkRun, run_info: dict[str, Any]) -> str:
    """Draw the rates at 16 connections as a bar chart, each bar relative to the fastest of its operation."""
    names = dict.fromkeys(
        (system, server)
        for system, server, _, connections in run.rows
        if connections == DEFAULT_CONNECTIONS and server != "burst"
    )
    plots = []
    for operation in OPERATIONS:
        rates = {f"{system}, {server}": _median_rate(run, system, server, operation) for system, server in names}
        sorted_rates = sorted(((name, rate) for name, rate in rates.items() if rate), key=lambda item: -item[1])
        bars = [(name, rate, rate / sorted_rates[0][1]) for name, rate in sorted_rates]
        plots.append({"operation": operation, "bars": bars})
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    return environment.get_template("results.svg.jinja").render(plots=plots, run=run_info)
