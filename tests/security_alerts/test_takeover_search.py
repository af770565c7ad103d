"""No order of actions lets an attacker keep the account after the owner used a link and reset the password."""

import os

from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.security_alerts.takeover_machine import TakeoverMachine

from flaskauth.core.jobs import background

RUNS = int(os.environ.get("TAKEOVER_RUNS", "6"))  # `make test-slow SUITE=takeover` sets 2,000


def test_takeover_search_finds_no_lasting_access(app: Flask) -> None:
    app.extensions[background.KEY].stop()
    machine = type("Machine", (TakeoverMachine,), {"app": app})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=30,
            derandomize="TAKEOVER_RUNS" not in os.environ,
            phases=[Phase.generate],  # to shrink a failing run would take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
