"""The page about the doctor: its commands run, and its table knows every check."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.documentation.blocks import ROOT, block
from tests.journeys.processes import COMMANDS, Place

from flaskauth.doctor.examination import CHECKS


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = Place(folder).environment
    environment["PATH"] = f"{COMMANDS}:{environment['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", script], cwd=folder, env=environment, timeout=60, capture_output=True, text=True, check=False
    )


def test_it_is_run_as_the_page_says(tmp_path: Path) -> None:
    done = run(block("docs/doctor.md", "doctor"), tmp_path)

    assert done.returncode == 0
    assert "flaskauth serve" in done.stdout


def test_a_deployment_ends_where_something_is_wrong(tmp_path: Path) -> None:
    assert run(block("docs/doctor.md", "deployment") + "echo deployed", tmp_path).returncode == 1


def test_a_script_reads_what_is_wrong(tmp_path: Path) -> None:
    done = run(block("docs/doctor.md", "json"), tmp_path)

    assert done.returncode == 0
    assert re.findall(r"^([\w-]+): ", done.stdout, re.MULTILINE) == ["public-url", "database"]


@pytest.mark.parametrize("check", CHECKS)
def test_the_table_knows_every_check(check: str) -> None:
    assert _rows().count(check) == 1


def test_the_table_knows_no_other() -> None:
    assert _rows() == list(CHECKS)


def _rows() -> list[str]:
    """The checks of the page's table; the states have one of their own."""
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([\w-]+)`[ *]*\|", page.partition("| check |")[2], re.MULTILINE)
