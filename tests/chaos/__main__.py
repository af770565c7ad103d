"""Inject faults under load: `python -m tests.chaos [--galera|--mysql] [--quick] [--seconds N] [NUMBER...]`.

Each scenario starts its own servers. A number selects the scenarios whose number starts with it. Exits with 1 if a
checker reports a failure.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.chaos.checkers.registry import run_checkers
from tests.chaos.clients import SimulatedUser, UserPool
from tests.chaos.environment import Environment
from tests.chaos.final_state import read_final_state
from tests.chaos.galera_scenarios import GALERA_SCENARIOS
from tests.chaos.history import History
from tests.chaos.http_client import RecordingClient
from tests.chaos.report import ScenarioResult, as_json, as_markdown, as_text
from tests.chaos.runner import ScenarioRun
from tests.chaos.scenarios import MYSQL_SCENARIOS, SCENARIOS, Scenario

CLIENT_THREADS = 6
PROBED_USERS = 40  # users whose passwords are all tried at the end
WARM_UP = 12.0  # seconds before the faults, in which each process allocates what it needs
COOL_DOWN = 4.0  # seconds after the faults
FULL_DURATION, QUICK_DURATION = 90.0, 15.0  # seconds of faults


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("numbers", nargs="*", help="prefixes of scenario numbers, such as R01 R02")
    parser.add_argument("--galera", action="store_true", help="run the scenarios of a Galera cluster")
    parser.add_argument("--mysql", action="store_true", help="use MySQL instead of MariaDB")
    parser.add_argument("--quick", action="store_true", help="run a selection, for a short time each")
    parser.add_argument("--seconds", type=float, help="duration of the faults in each scenario")
    parser.add_argument("--json", type=Path, help="write the results to this JSON file")
    parser.add_argument("--markdown", type=Path, help="write the results to this Markdown file")
    options = parser.parse_args(arguments)
    scenarios = GALERA_SCENARIOS if options.galera else MYSQL_SCENARIOS if options.mysql else SCENARIOS
    selected = [scenario for scenario in scenarios if _is_selected(scenario, options.numbers, quick=options.quick)]
    seconds = options.seconds or (QUICK_DURATION if options.quick else FULL_DURATION)
    results: list[ScenarioResult] = []
    for scenario in selected:
        results.append(run_and_print(scenario, seconds, expire_leases=options.quick))
        for file, render in ((options.json, as_json), (options.markdown, as_markdown)):
            if file:
                file.write_text(render(results))
    print(f"\n{as_text(results)}")
    return 0 if results and all(result.has_passed for result in results) else 1


def _is_selected(scenario: Scenario, numbers: Sequence[str], *, quick: bool) -> bool:
    return any(scenario.number.startswith(number) for number in numbers) if numbers else scenario.is_quick or not quick


def run_and_print(scenario: Scenario, seconds: float, *, expire_leases: bool) -> ScenarioResult:
    """Run a scenario and print the result."""
    print(f"{scenario.number} {scenario.description} ...", flush=True)
    result = run_scenario(scenario, seconds, expire_leases=expire_leases)
    print(f"    {result.verdict} after {result.seconds:.0f} s", flush=True)
    for checker_name, lines in result.failures.items():
        for line in lines[:5]:
            print(f"    {checker_name}: {line}", flush=True)
    return result


def run_scenario(scenario: Scenario, seconds: float, *, expire_leases: bool) -> ScenarioResult:
    started_at, history = time.monotonic(), History()
    with scenario.environment() as environment:
        client = RecordingClient(environment.client_ports, history)
        run = ScenarioRun(environment, client, seconds, expectations=scenario.expectations)
        pool = UserPool(client, environment.mailbox, CLIENT_THREADS)
        pool.start()
        try:
            time.sleep(WARM_UP)
            usage_before = environment.resource_usage()
            scenario.run(run)
            time.sleep(COOL_DOWN)
        finally:
            pool.stop()
        _drain_and_probe(environment, client, pool.users, expire_leases=expire_leases)
        expectations = replace(run.expectations, fault_happened=run.fault_count > 0)
        resource_usage = [
            (usage_before[pid], usage_after)
            for pid, usage_after in environment.resource_usage().items()
            if pid in usage_before
        ]
        final_state = replace(read_final_state(environment, history.calls), resource_usage=resource_usage)
        failures = run_checkers(history.calls, final_state, expectations) if scenario.is_checked else {}
    return ScenarioResult.of(scenario, run.rounds, time.monotonic() - started_at, history.calls, expectations, failures)


def _drain_and_probe(
    environment: Environment, client: RecordingClient, users: Sequence[SimulatedUser], *, expire_leases: bool
) -> None:
    """Wait for the mails, then check which credentials of the users are valid and which are not."""
    environment.drain_mail(130, expire_leases=expire_leases)
    environment.execute_sql(
        "DELETE FROM rate_limit_counters"
    )  # rate limits from before must not hide which credentials are valid
    calls = client.history.calls
    for user in users[:: max(1, len(users) // PROBED_USERS)]:
        user.probe_credentials([call.password for call in calls if call.user == user.email and call.password])
    environment.drain_mail(60, expire_leases=expire_leases)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
