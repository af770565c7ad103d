"""What a run tells: the bars as ratios of medians, a table of everything, a picture, and the figures themselves."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from benchmarks.bars import Bar
from benchmarks.peers import PEERS
from benchmarks.run import USUAL, Run
from benchmarks.wrk import Figures

RESULTS = Path(__file__).with_name("results")
SHOWN = ("profile", "refresh", "sign-in", "register")
WAVES = 300  # connections of a storm, each of which waits before it asks again


BARS = (
    Bar("profile_bare", "profile, against bare Flask with one primary-key read", 0.7, "x"),
    Bar("profile_peer", "profile, against the best peer", 3, "x"),
    Bar("refresh_peer", "refresh, against the best peer that rotates", 3.5, "x"),
    Bar("sign_in_wheel", "sign-in, against the raw hash rate", 0.87, "x"),
    Bar("sign_in_built", "sign-in with the hash built here, against the wheel's raw rate", 1.2, "x"),
    Bar("register_wheel", "register, against the raw hash rate", 0.82, "x"),
    Bar("profile_stormy_p99", "profile in a storm, p99", 50, "ms", is_ceiling=True),
    Bar("profile_stormy", "profile in a storm, against itself at rest", 0.4, "x"),
    Bar("refresh_stormy_p99", "refresh in a storm, p99", 50, "ms", is_ceiling=True),
    Bar("refresh_stormy", "refresh in a storm, against itself at rest", 0.4, "x"),
    Bar("sign_in_longest", "sign-in in a storm, longest", 1000, "ms", is_ceiling=True),
)


def table_of_bars(run: Run) -> str:
    """What is to be reached, as far as it was measured, and the best of the peers."""
    figures = ratios(run)
    told = [bar.cells(figures) for bar in BARS if bar.key in figures]
    best = {what: found[0] for what in ("profile", "refresh") if (found := _best(run, what))}
    names = "; ".join(f"of {what} {name}" for what, name in best.items())
    return _table([["what", "measured", "bar", ""], *told]) + (f"\n\nThe best peer {names}." if names else "")


def write(run: Run, about: dict[str, Any]) -> str:
    """Write the three files; the table of bars."""
    RESULTS.mkdir(exist_ok=True)
    told = table_of_bars(run)
    rows = [
        {"who": who, "server": server, "what": what, "connections": at_once, "rounds": [asdict(one) for one in figures]}
        for (who, server, what, at_once), figures in run.rows.items()
    ]
    figures = {**about, "rows": rows, "rates": run.rates, "bars": ratios(run)}
    RESULTS.joinpath("latest.json").write_text(json.dumps(figures, indent=1) + "\n")
    RESULTS.joinpath("latest.md").write_text(f"{_head(about)}\n\n{told}\n\n{_everything(run)}\n")
    RESULTS.joinpath("latest.svg").write_text(_picture(run, about))
    return told


def ratios(run: Run) -> dict[str, float]:
    """Each bar's figure, of the medians of all rounds."""
    ours = {what: _rate(run, "flaskauth", "serve", what) for what in SHOWN}
    wheel = statistics.median(run.rates["hash, wheel"])
    found = {
        "profile_bare": ours["profile"] / _rate(run, "bare Flask", "granian", "profile"),
        "sign_in_wheel": ours["sign-in"] / wheel,
        "sign_in_built": _rate(run, "flaskauth, hash built here", "serve", "sign-in") / wheel,
        "register_wheel": ours["register"] / wheel,
        "sign_in_longest": max(one.longest for one in run.rows["flaskauth", "storm", "sign-in", WAVES]),
    }
    for what in ("profile", "refresh"):
        if best := _best(run, what):
            found[f"{what}_peer"] = ours[what] / best[1]
        stormy = run.rows["flaskauth", "storm", what, USUAL]
        found[f"{what}_stormy_p99"] = statistics.median(one.p99 for one in stormy)
        found[f"{what}_stormy"] = statistics.median(one.rate for one in stormy) / ours[what]
    return found


def _rate(run: Run, who: str, server: str, what: str) -> float:
    rounds = run.rows.get((who, server, what, USUAL), [])
    return statistics.median(one.rate for one in rounds) if rounds else 0.0


def _best(run: Run, what: str) -> tuple[str, float] | None:
    """The fastest peer under its faster server; a refresh is compared where it rotates."""
    names = {peer.name for peer in PEERS if peer.rotates or what != "refresh"}
    places = {(who, server) for who, server, asked, _ in run.rows if who in names and asked == what}
    rates = {f"{who} ({server})": _rate(run, who, server, what) for who, server in places}
    return max(rates.items(), key=lambda found: found[1]) if rates else None


def _everything(run: Run) -> str:
    """Rates at 16 connections, the median and the spread of all rounds, and ours at others."""
    places = list(dict.fromkeys((who, server, at_once) for who, server, _, at_once in run.rows))
    head = ["", "server", "connections", *(f"{what}, 1/s" for what in SHOWN), "profile p99, ms"]
    table = [head]
    for who, server, at_once in places:
        cells = [_spread(run.rows.get((who, server, what, at_once))) for what in SHOWN]
        p99 = run.rows.get((who, server, "profile", at_once))
        table.append([who, server, str(at_once), *cells, f"{statistics.median(f.p99 for f in p99):.1f}" if p99 else ""])
    rates = [f"Raw hash rate, {name}: {statistics.median(found):.0f}/s." for name, found in run.rates.items()]
    return "\n\n".join([_table(table), *rates, _hashes()])


def _hashes() -> str:
    return "Hashes: ours argon2id m=19456, t=2, p=1; " + "; ".join(f"{peer.name} {peer.hash}" for peer in PEERS) + "."


def _spread(rounds: Sequence[Figures] | None) -> str:
    if not rounds:
        return ""
    rates = [one.rate for one in rounds]
    return f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *rest])


def _head(about: dict[str, Any]) -> str:
    return (
        f"Measured on {about['date']} at commit {about['commit']}: {about['processors']} processors"
        f" ({about['processor']}), which the load, the database and the servers share."
        f" Medians of {about['rounds']} rounds, with the least and the most."
    )


def _picture(run: Run, about: dict[str, Any]) -> str:
    """Rates at 16 connections, one bar each, drawn to the scale of the largest of its operation."""
    names = dict.fromkeys(
        (who, server) for who, server, _, at_once in run.rows if at_once == USUAL and server != "storm"
    )
    plots = []
    for what in SHOWN:
        rates = {f"{who}, {server}": _rate(run, who, server, what) for who, server in names}
        known = sorted(((name, rate) for name, rate in rates.items() if rate), key=lambda found: -found[1])
        plots.append({"what": what, "bars": [(name, rate, rate / known[0][1]) for name, rate in known]})
    files = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    return files.get_template("results.svg.jinja").render(plots=plots, about=about)
