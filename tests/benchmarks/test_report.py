"""The report marks a disturbed run and missed targets, and measures what the processes use."""

import os
import time

import pytest
from benchmarks.report import target_report
from benchmarks.run import BenchmarkRun
from benchmarks.usage import measure_usage


@pytest.mark.parametrize(("drift", "is_disturbed"), [(0.051, True), (-0.051, True), (0.049, False), (0.0, False)])
def test_report_marks_run_with_changed_hash_rate(drift: float, is_disturbed: bool) -> None:
    assert ("Disturbed" in target_report(BenchmarkRun(), {"drift": drift})) is is_disturbed


def test_report_states_result_bound_and_missed_target() -> None:
    report = target_report(BenchmarkRun(), {"drift": 0.0, "memory_megabytes": 191.0, "start_seconds": 0.79})

    assert "| memory of two processes and helpers after load, PSS | 191 MB | at most 190 MB | MISSED |" in report
    assert "| 0.79 s | at most 0.8 s | reached |" in report


def test_usage_counts_cpu_time_and_context_switches() -> None:
    with measure_usage({"server": os.getpid()}) as usage:
        started = time.process_time()
        while time.process_time() - started < 0.05:
            pass
        for _ in range(10):
            time.sleep(0.0005)  # gives up the processor

    assert 0.03 <= usage.cpu_seconds["server"] < 5
    assert usage.switches >= 10
