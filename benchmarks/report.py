"""The report of a run: the figures of the targets, a table of all rates, a chart, and the raw results."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from benchmarks import targets
from benchmarks.peers import PEERS
from benchmarks.run import BenchmarkRun, processor_shares
from benchmarks.targets import CONNECTIONS, TARGETS, Figures, Row
from benchmarks.usage import LOAD_GENERATOR
from benchmarks.wrk import LoadResult

RESULTS = Path(__file__).with_name("results")
OPERATIONS = ("profile", "profile, browser", "refresh", "sign-in", "register")
GROWTH = RESULTS / "scale.json"
MAX_DRIFT = 0.05  # of the raw hash rate between the start and the end of a run


def compute_figures(run: BenchmarkRun) -> dict[str, float]:
    """Return the figures of the targets that the loads measured: medians of the ratios within a round."""
    if not run.rows:
        return {}
    wheel_rates = [rate.per_second for rate in run.hash_rates["wheel"]]
    bare_cpu = _server_cpu(run, targets.BARE_FLASK)
    figures = {
        "profile_bare": _compare_rates(run, targets.PROFILE, targets.BARE_FLASK),
        "profile_browser": _compare_rates(run, targets.BROWSER_PROFILE, targets.PROFILE),
        "profile_cpu": _ratio(_server_cpu(run, targets.PROFILE), bare_cpu),
        "refresh_cpu": _ratio(_server_cpu(run, targets.REFRESH), bare_cpu),
        "profile_switches": statistics.median(result.switches for result in run.rows[targets.PROFILE]),
        "profile_64": _compare_rates(run, targets.MANY_PROFILES, targets.PROFILE),
        "refresh_64": _compare_rates(run, targets.MANY_REFRESHES, targets.REFRESH),
        "refresh_64_p99": _p99(run, targets.MANY_REFRESHES),
        "sign_in": _ratio(_rates(run, targets.SIGN_IN), wheel_rates),
        "sign_in_native": _ratio(_rates(run, targets.NATIVE_SIGN_IN), wheel_rates),
        "register": _ratio(_rates(run, targets.REGISTER), wheel_rates),
        "sign_in_cpu": _cpu_beside_hash(run, targets.SIGN_IN),
        "register_cpu": _cpu_beside_hash(run, targets.REGISTER),
        "storm_profile_p99": _p99(run, targets.STORM_PROFILE),
        "storm_refresh_p99": _p99(run, targets.STORM_REFRESH),
        "storm_profile": _compare_rates(run, targets.STORM_PROFILE, targets.PROFILE),
        "storm_refresh": _compare_rates(run, targets.STORM_REFRESH, targets.REFRESH),
        "storm_sign_in_max": max(result.max_ms for result in run.rows[targets.STORM_SIGN_IN]),
        "storm_sign_in": _median_rate(run, targets.STORM_SIGN_IN) / _median_rate(run, targets.SIGN_IN),
        "storm_offered": _offered_rate(run, targets.STORM_SIGN_IN) / _median_rate(run, targets.SIGN_IN),
    }
    for operation, own_row in (("profile", targets.PROFILE), ("refresh", targets.REFRESH)):
        if peer := fastest_peer(run, operation):
            figures[f"{operation}_peer"] = _compare_rates(run, own_row, peer)
    return figures


def fastest_peer(run: BenchmarkRun, operation: str) -> Row | None:
    """Return the row of the fastest peer with its faster server. A refresh is compared only if it rotates."""
    names = {peer.name for peer in PEERS if peer.rotates_refresh_tokens or operation != "refresh"}
    rows = [row for row in run.rows if row[0] in names and row[2] == operation]
    return max(rows, key=lambda row: _median_rate(run, row), default=None)


def target_report(run: BenchmarkRun, figures: Figures) -> str:
    """Return the measured targets as Markdown, and for each missed one which process used the processors."""
    measured = [target for target in TARGETS if target.key in figures]
    table = _table([["measurement", "result", "target", ""], *(target.cells(figures) for target in measured)])
    missed = dict.fromkeys(target.row for target in measured if target.row and not target.is_met(figures))
    profiles = [f"- {', '.join(map(str, row))}: {_profile(run.rows[row])}" for row in missed]
    drift = f"The raw hash rate changed by {figures['drift']:+.1%} between the start and the end of the run."
    disturbed = [f"**Disturbed.** {drift}" if is_disturbed(figures) else drift]
    rows = {operation: fastest_peer(run, operation) for operation in ("profile", "refresh")}
    peers = [f"Fastest peer, {operation}: {row[0]} ({row[1]})." for operation, row in rows.items() if row]
    missed_part = (
        ["Use of the processors by the loads of missed targets:\n\n" + "\n".join(profiles)] if profiles else []
    )
    offered = figures.get("storm_offered")
    storm = [f"Sign-ins offered during the storm: {offered:.1f} times the calm rate."] if offered else []
    return "\n\n".join([*disturbed, table, *storm, *peers, *missed_part])


def is_disturbed(figures: Figures) -> bool:
    return abs(figures["drift"]) > MAX_DRIFT


def write_results(run: BenchmarkRun, figures: Figures, run_info: dict[str, Any]) -> Figures:
    """Write the three results files, and return the figures with those of the last run of `scale`."""
    growth = json.loads(GROWTH.read_text())
    figures = {**growth["figures"], **figures}
    rows = [
        {"system": system, "server": server, "operation": operation, "connections": connections, "rounds": rounds}
        for (system, server, operation, connections), results in run.rows.items()
        if (rounds := [asdict(result) for result in results])
    ]
    cells = [target.cells(figures) for target in TARGETS if target.key in figures]
    hash_rates = {name: [asdict(rate) for rate in rates] for name, rates in run.hash_rates.items()}
    results = {
        **run_info,
        "growth_commit": growth["commit"],
        "disturbed": is_disturbed(figures),
        "figures": figures,
        "targets": cells,
        "hash_rates": hash_rates,
        "rows": rows,
    }
    RESULTS.joinpath("latest.json").write_text(json.dumps(results, indent=1) + "\n")
    parts = (_heading(run_info), target_report(run, figures), _full_table(run), *_hash_notes(run))
    RESULTS.joinpath("latest.md").write_text("\n\n".join(parts) + "\n")
    RESULTS.joinpath("latest.svg").write_text(_render_svg(run, run_info))
    return figures


def write_growth(figures: Figures, run_info: dict[str, Any]) -> None:
    """Write the figures of `scale`."""
    GROWTH.write_text(json.dumps({**run_info, "figures": figures}, indent=1) + "\n")


def _rates(run: BenchmarkRun, row: Row) -> list[float]:
    return [result.rate for result in run.rows[row]]


def _median_rate(run: BenchmarkRun, row: Row) -> float:
    return statistics.median(_rates(run, row))


def _offered_rate(run: BenchmarkRun, row: Row) -> float:
    """Return the requests per second, with those that were rejected."""
    return statistics.median(result.rate + result.error_responses / result.seconds for result in run.rows[row])


def _p99(run: BenchmarkRun, row: Row) -> float:
    return statistics.median(result.p99 for result in run.rows[row])


def _compare_rates(run: BenchmarkRun, row: Row, other: Row) -> float:
    return _ratio(_rates(run, row), _rates(run, other))


def _ratio(values: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, others, strict=True))


def _server_cpu(run: BenchmarkRun, row: Row) -> list[float]:
    return [result.cpu_ms["server"] for result in run.rows[row]]


def _cpu_beside_hash(run: BenchmarkRun, row: Row) -> float:
    """Return the CPU milliseconds of the server, the database and Redis for one request, without those of its hash."""
    totals = [sum(result.cpu_ms.values()) - result.cpu_ms[LOAD_GENERATOR] for result in run.rows[row]]
    hashes = [rate.cpu_ms for rate in run.hash_rates["wheel"]]
    return statistics.median(total - of_hash for total, of_hash in zip(totals, hashes, strict=True))


def _profile(results: Sequence[LoadResult]) -> str:
    """Return where the time of the processors went in the median round."""
    result = sorted(results, key=lambda each: each.rate)[len(results) // 2]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in processor_shares(result).items())
    return f"{shares}; {result.switches:.1f} context switches of the server per response"


def _full_table(run: BenchmarkRun) -> str:
    """Return all rows as Markdown, with the CPU time of each process for one response."""
    header = ["system", "server", "operation", "connections", "1/s (rounds)", "p99, ms", "CPU per response, ms"]
    table = [[*header, "context switches", "idle"]]
    for (system, server, operation, connections), results in run.rows.items():
        rates = [result.rate for result in results]
        spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        p99 = f"{statistics.median(result.p99 for result in results):.1f}"
        result = sorted(results, key=lambda each: each.rate)[len(results) // 2]
        cpu = ", ".join(f"{name} {ms:.2f}" for name, ms in result.cpu_ms.items())
        usage = [cpu, f"{result.switches:.1f}", f"{result.idle:.0%}"] if result.cpu_ms else ["", "", ""]
        table.append([system, server, operation, str(connections), spread, p99, *usage])
    return _table(table)


def _hash_notes(run: BenchmarkRun) -> list[str]:
    rates = {name: statistics.median(rate.per_second for rate in rates) for name, rates in run.hash_rates.items()}
    raw = [f"Raw hash rate, {name}: {rate:.0f}/s." for name, rate in rates.items()]
    peer_hashes = "; ".join(f"{peer.name} {peer.hash}" for peer in PEERS)
    return [*raw, f"Hashes: flaskauth argon2id m=19456, t=2, p=1; {peer_hashes}."]


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
    plots = []
    for operation in OPERATIONS:
        rates = {
            f"{row[0]}, {row[1]}": _median_rate(run, row)
            for row in run.rows
            if row[2:] == (operation, CONNECTIONS) and row[1] != targets.STORM
        }
        sorted_rates = sorted(rates.items(), key=lambda item: -item[1])
        plots.append(
            {"operation": operation, "bars": [(name, rate, rate / sorted_rates[0][1]) for name, rate in sorted_rates]}
        )
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    return environment.get_template("results.svg.jinja").render(plots=plots, run=run_info)
