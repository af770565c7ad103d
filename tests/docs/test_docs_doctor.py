"""The doctor page: its commands run, and its table lists every check."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.docs.code_blocks import ROOT, block
from tests.e2e.processes import Workspace
from tests.servers import free_port
from tests.support.fork_server import script_folder

from flaskauth.doctor.runner import CHECK_NAMES


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = Workspace(folder, {"PUBLIC_URL": f"http://localhost:{free_port()}"}).environment
    environment["PATH"] = f"{script_folder()}:{environment['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", script], cwd=folder, env=environment, timeout=60, capture_output=True, text=True, check=False
    )


def test_doctor_page_command_succeeds(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    process = run(block("docs/operations/doctor.md", "doctor"), tmp_path)

    assert process.returncode == 0
    assert "flaskauth serve" in process.stdout
    assert max(map(len, process.stdout.splitlines())) <= 100


def test_doctor_page_deployment_stops_on_failure(tmp_path: Path) -> None:
    assert run(block("docs/operations/doctor.md", "deployment") + "echo deployed", tmp_path).returncode == 1


def test_doctor_page_json_script_lists_failed_checks(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    process = run(block("docs/operations/doctor.md", "json"), tmp_path)

    assert process.returncode == 0
    assert re.findall(r"^([\w-]+): ", process.stdout, re.MULTILINE) == ["public-url", "database"]


@pytest.mark.parametrize("check", CHECK_NAMES)
def test_doctor_page_lists_every_check_once(check: str) -> None:
    assert _listed_checks().count(check) == 1


def test_doctor_page_lists_checks_in_order() -> None:
    assert _listed_checks() == list(CHECK_NAMES)


def _listed_checks() -> list[str]:
    """Return the checks in the table of checks. The states are in a different table."""
    page = (ROOT / "docs/operations/doctor.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w-]+)`[ *]*\|", page.partition("| check |")[2], re.MULTILINE)
