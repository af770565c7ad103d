"""A healthy installation, a healthy embedded server, and the output formats."""

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path

from tests.doctor.helpers import DoctorReport, run_doctor, run_doctor_process
from tests.e2e.http_client import HttpClient
from tests.e2e.installation import Installation
from tests.e2e.processes import BIN_FOLDER, Workspace
from tests.servers import free_port

from flaskauth.doctor.runner import CHECK_NAMES

# Expected in tests: a local PUBLIC_URL, and an SMTP certificate that is valid for a day.
EXPECTED_WARNINGS = {"public-url", "smtp"}


def unused_url() -> dict[str, str]:
    """Return a PUBLIC_URL at which no server responds; a different server may use the default port."""
    return {"PUBLIC_URL": f"http://localhost:{free_port()}"}


def test_healthy_production_has_no_failures(installation: Installation) -> None:
    report = run_doctor_process(installation.workspace)

    assert report.checks_in_state("warning") == EXPECTED_WARNINGS, report.output
    assert report.checks_in_state("ok") == set(CHECK_NAMES) - EXPECTED_WARNINGS
    assert report.ok
    assert "one hash took" in report.finding_text("password-hash", "ok")


def test_doctor_writes_nothing_and_sends_no_mail(installation: Installation) -> None:
    installation.sink.clear()
    tables = ("users", "outbox", "audit_events", "signing_keys", "rate_limit_counters", "sessions")
    rows_before = [installation.execute_sql(f"SELECT * FROM {table}") for table in tables]

    run_doctor(installation.workspace)

    assert [installation.execute_sql(f"SELECT * FROM {table}") for table in tables] == rows_before
    assert installation.sink.messages == []


def test_strict_option_exits_1_on_warning(installation: Installation) -> None:
    assert run_doctor(installation.workspace, "--strict").exit_code == 1


def test_text_output_lists_every_check(installation: Installation) -> None:
    output = installation.workspace.run("flaskauth", "doctor")

    for check in CHECK_NAMES:
        assert f" {check} " in output
    assert "0 failed, 2 warnings, 0 skipped" in output
    assert max(map(len, output.splitlines())) <= 100  # columns without a terminal


def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    controller, terminal = os.openpty()
    result = subprocess.run(
        [BIN_FOLDER / "flaskauth", "doctor", "--json"],
        cwd=tmp_path,
        env={**Workspace(tmp_path, unused_url()).environment, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    output = os.read(controller, 10_000)
    os.close(controller)

    assert b"Checking the installation" in output
    assert json.loads(result.stdout)["ok"]


def test_doctor_before_first_start_creates_no_files(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    report = run_doctor_process(Workspace(tmp_path, unused_url()))

    assert report.checks_in_state("warning") == {"public-url", "database"}
    assert "flaskauth serve" in report.finding_text("database", "warning")
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_embedded_server_passes_running_and_stopped(tmp_path: Path, installation: Installation) -> None:
    port = free_port()
    workspace = Workspace(tmp_path, {"PUBLIC_URL": f"http://localhost:{port}"})
    with workspace.start("flaskauth", "serve", "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        server.wait_until(lambda: "the periodic jobs run" in _schedule_finding(run_doctor(workspace)))
        assert run_doctor(workspace).checks_in_state("ok") == set(CHECK_NAMES)

        other_report = run_doctor(installation.workspace.with_settings(PUBLIC_URL=f"http://localhost:{port}"))
        assert "a different server responds" in other_report.assert_only_failure("public-url")

    stopped = run_doctor(workspace)
    assert stopped.assert_warning("public-url")
    assert stopped.checks_in_state("ok") == set(CHECK_NAMES) - {"public-url"}


def _schedule_finding(report: DoctorReport) -> str:
    return next(finding["found"] for finding in report.findings if finding["check"] == "schedule")
