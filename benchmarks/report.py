"""What a run tells: the bars as ratios of medians, a table of everything, a picture, and the figures themselves."""

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader

from benchmarks.peers import PEERS
from benchmarks.wrk import Figures

RESULTS = Path(__file__).with_name("results")
USUAL = 16
SHOWN = ("profile", "refresh", "sign-in", "register")
EQUAL = "equal hash"
WAVES = 200


class Run(Protocol):
    rows: dict[tuple[str, str, str, int], list[Figures]]
    rates: dict[str, list[float]]


@dataclass(frozen=True)
class Bar:
    """One row of what is to be reached."""

    what: str
    against: str
    measured: float
    bound: float
    unit: str = "x"
    is_ceiling: bool = False

    @property
    def is_kept(self) -> bool:
        return self.measured <= self.bound if self.is_ceiling else self.measured >= self.bound

    def cells(self) -> list[str]:
        bound = f"{'at most' if self.is_ceiling else 'at least'} {self.bound:g} {self.unit}"
        verdict = "kept" if self.is_kept else "missed"
        return [self.what, self.against, f"{self.measured:.2f} {self.unit}", bound, verdict]


def bars(run: Run) -> str:
    """The table of what is to be reached."""
    head = ["what", "against", "measured", "bar", ""]
    return _table([head, *(bar.cells() for bar in _bars(run))])


def write(run: Run, about: dict[str, Any]) -> str:
    """Write the three files; the table of bars."""
    RESULTS.mkdir(exist_ok=True)
    told = bars(run)
    rows = [
        {"who": who, "server": server, "what": what, "connections": at_once, "rounds": [asdict(one) for one in figures]}
        for (who, server, what, at_once), figures in run.rows.items()
    ]
    figures = {**about, "rows": rows, "rates": run.rates, "bars": [asdict(bar) for bar in _bars(run)]}
    RESULTS.joinpath("latest.json").write_text(json.dumps(figures, indent=1) + "\n")
    RESULTS.joinpath("latest.md").write_text(f"{_head(about)}\n\n{told}\n\n{_everything(run)}\n")
    RESULTS.joinpath("latest.svg").write_text(_picture(run, about))
    return told


def _bars(run: Run) -> Iterator[Bar]:
    ours = {what: _rate(run, "flaskauth", "serve", what) for what in SHOWN}
    if bare := _rate(run, "bare Flask", "granian", "profile"):
        yield Bar("profile", "bare Flask with one primary-key read", ours["profile"] / bare, 0.7)
    for what, bound, is_rival in (("profile", 3, lambda _: True), ("refresh", 3.5, _rotates)):
        if best := _best(run, what, is_rival):
            name, rate = best
            yield Bar(what, f"the best peer, {name}", ours[what] / rate, bound)
    wheel = statistics.median(run.rates["hash, wheel"])
    yield Bar("sign-in", "raw hash rate, all processors", ours["sign-in"] / wheel, 0.87)
    built = _rate(run, "flaskauth, hash built here", "serve", "sign-in")
    yield Bar("sign-in, hash built here", "raw hash rate of the wheel", built / wheel, 1.2)
    yield Bar("register", "raw hash rate, all processors", ours["register"] / wheel, 0.82)
    for what in ("profile", "refresh"):
        stormy = run.rows["flaskauth", "storm", what, USUAL]
        p99 = statistics.median(one.p99 for one in stormy)
        yield Bar(f"{what} in a storm, p99", "-", p99, 50, "ms", is_ceiling=True)
        share = statistics.median(one.rate for one in stormy) / ours[what]
        yield Bar(f"{what} in a storm", "itself at rest", share, 0.4)
    longest = max(one.longest for one in run.rows["flaskauth", "storm", "sign-in", WAVES])
    yield Bar("sign-in in a storm, longest", "-", longest, 1000, "ms", is_ceiling=True)


def _rate(run: Run, who: str, server: str, what: str) -> float:
    rounds = run.rows.get((who, server, what, USUAL), [])
    return statistics.median(one.rate for one in rounds) if rounds else 0.0


def _best(run: Run, what: str, is_rival: Callable[[str], bool]) -> tuple[str, float] | None:
    names = {peer.name for peer in PEERS if EQUAL not in peer.name and is_rival(peer.name)}
    places = {(who, server) for who, server, asked, _ in run.rows if who in names and asked == what}
    rates = {f"{who} ({server})": _rate(run, who, server, what) for who, server in places}
    return max(rates.items(), key=lambda found: found[1]) if rates else None


def _rotates(name: str) -> bool:
    return any(peer.rotates for peer in PEERS if peer.name == name)


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
        f" ({about['processor']}), which the load, the database and the servers share. Medians of all rounds, with the"
        " least and the most."
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
