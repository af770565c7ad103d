"""Faults under load: python -m tests.faults [--galera] [--quick] [--seconds N] [--json F] [--markdown F] [NUMBER...].

Each scenario has servers of its own; a number chooses those that begin so. Ends with 1 where a judge is not content.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.faults.asking import Desk
from tests.faults.ending import ending
from tests.faults.history import History
from tests.faults.judges import judged
from tests.faults.people import Crowd, Person
from tests.faults.report import Result, as_json, as_markdown, as_text
from tests.faults.scenarios import OF_MYSQL, SCENARIOS, Scenario
from tests.faults.scenarios_of_a_cluster import OF_A_CLUSTER
from tests.faults.site import Site
from tests.faults.under_way import Run

THREADS = 6
PROBED = 40  # people who try every password at the end
WARM = 12.0  # seconds before the faults, in which each process comes to hold what it needs
CALM = 4.0  # seconds after them
LONG, QUICK = 90.0, 15.0  # seconds of faults


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("numbers", nargs="*", help="R01 R02: those that begin so")
    parser.add_argument("--galera", action="store_true", help="those of a cluster of three nodes")
    parser.add_argument("--mysql", action="store_true", help="on MySQL instead of MariaDB")
    parser.add_argument("--quick", action="store_true", help="the bold ones, for a short time each")
    parser.add_argument("--seconds", type=float, help="how long faults are made in each")
    parser.add_argument("--json", type=Path, help="write what came of it into this file")
    parser.add_argument("--markdown", type=Path, help="the same as a table")
    asked = parser.parse_args(words)
    known = OF_A_CLUSTER if asked.galera else OF_MYSQL if asked.mysql else SCENARIOS
    chosen = [each for each in known if _is_chosen(each, asked.numbers, quick=asked.quick)]
    seconds = asked.seconds or (QUICK if asked.quick else LONG)
    results: list[Result] = []
    for scenario in chosen:
        results.append(told(scenario, seconds, hurry=asked.quick))
        for file, written in ((asked.json, as_json), (asked.markdown, as_markdown)):
            if file:
                file.write_text(written(results))
    print(f"\n{as_text(results)}")
    return 0 if results and all(result.is_green for result in results) else 1


def _is_chosen(scenario: Scenario, numbers: Sequence[str], *, quick: bool) -> bool:
    return any(scenario.number.startswith(number) for number in numbers) if numbers else scenario.bold or not quick


def told(scenario: Scenario, seconds: float, *, hurry: bool) -> Result:
    """Run one, and say what came of it."""
    print(f"{scenario.number} {scenario.what} ...", flush=True)
    result = played(scenario, seconds, hurry=hurry)
    print(f"    {result.verdict} after {result.seconds:.0f} s", flush=True)
    for judge, said in result.found.items():
        for line in said[:5]:
            print(f"    {judge}: {line}", flush=True)
    return result


def played(scenario: Scenario, seconds: float, *, hurry: bool) -> Result:
    began, history = time.monotonic(), History()
    with scenario.site() as here:
        desk = Desk(here.doors, history)
        run = Run(here, desk, seconds, bounds=scenario.bounds)
        crowd = Crowd(desk, here.mailbox, THREADS)
        crowd.start()
        try:
            time.sleep(WARM)
            before = here.footprints()
            scenario.run(run)
            time.sleep(CALM)
        finally:
            crowd.stop()
        _settle(here, desk, crowd.people, hurry=hurry)
        bounds = replace(run.bounds, broke=run.broke > 0)
        held = [(before[pid], at_last) for pid, at_last in here.footprints().items() if pid in before]
        there = replace(ending(here, history.calls), held=held)
        found = judged(history.calls, there, bounds) if scenario.is_judged else {}
    return Result.of(scenario, run.rounds, time.monotonic() - began, history.calls, bounds, found)


def _settle(here: Site, desk: Desk, people: Sequence[Person], *, hurry: bool) -> None:
    """Wait for the mails, then ask people to try what should open, and what should not."""
    here.drain(130, hurry=hurry)
    here.execute("DELETE FROM budgets")  # what was refused under way must not hide what opens now
    calls = desk.history.calls
    for person in people[:: max(1, len(people) // PROBED)]:
        person.probe([call.password for call in calls if call.person == person.email and call.password])
    here.drain(60, hurry=hurry)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
