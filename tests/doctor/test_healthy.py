"""An installation that lacks nothing, an embedded one, and how findings are told."""

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

from tests.doctor.examining import Told, examined, examined_apart
from tests.journeys.installation import Installation
from tests.journeys.processes import COMMANDS, Place
from tests.journeys.visitors import Visitor
from tests.servers import free_port

from flaskauth.doctor.examination import CHECKS

# The tests' own: an address of this machine only, and a mail server whose certificate lasts for a day.
OF_TESTS = {"public-url", "smtp"}


def test_a_healthy_production_installation_fails_nothing(installation: Installation) -> None:
    told = examined_apart(installation.place)

    assert told.checks("warning") == OF_TESTS
    assert told.checks("ok") == set(CHECKS) - OF_TESTS
    assert told.ok


def test_nothing_is_written_and_no_mail_is_sent(installation: Installation) -> None:
    installation.sink.forget()
    tables = ("users", "outbox", "audit_events", "signing_keys", "budgets", "sessions")
    before = [installation.execute(f"SELECT * FROM {table}") for table in tables]

    examined(installation.place)

    assert [installation.execute(f"SELECT * FROM {table}") for table in tables] == before
    assert installation.sink.messages == []


def test_strict_reading_ends_with_1_for_a_warning(installation: Installation) -> None:
    assert examined(installation.place, "--strict").code == 1


def test_people_get_a_table(installation: Installation) -> None:
    said = installation.place.run("flaskauth", "doctor")

    for check in CHECKS:
        assert f" {check} " in said
    assert "0 failed, 2 warnings, 0 not looked at" in said


def test_who_waits_at_a_terminal_is_told_what_for(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        [COMMANDS / "flaskauth", "doctor", "--json"],
        cwd=tmp_path,
        env={**Place(tmp_path).environment, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    said = os.read(ours, 10_000)
    os.close(ours)

    assert b"Looking at everything" in said
    assert json.loads(done.stdout)["ok"]


def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    told = examined_apart(Place(tmp_path))

    assert told.checks("warning") == {"public-url", "database"}
    assert "flaskauth serve" in told.of("database", "warning")
    assert not list(tmp_path.iterdir())


def test_an_embedded_server_is_fine_while_it_runs_and_after_and_is_no_other(
    tmp_path: Path, installation: Installation
) -> None:
    port = free_port()
    place = Place(tmp_path, {"PUBLIC_URL": f"http://localhost:{port}"})
    with place.start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        server.wait_until(lambda: "is kept up" in _schedule(examined(place)))
        assert examined(place).checks("ok") == set(CHECKS)

        another = examined(installation.place.having(PUBLIC_URL=f"http://localhost:{port}"))
        assert "something else answers" in another.fails_only("public-url")

    stopped = examined(place)
    assert stopped.warns("public-url")
    assert stopped.checks("ok") == set(CHECKS) - {"public-url"}


def _schedule(told: Told) -> str:
    return next(each["found"] for each in told.findings if each["check"] == "schedule")
