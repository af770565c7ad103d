"""The audit log page: its command runs, and its figures match the code."""

from datetime import timedelta
from pathlib import Path

from tests.docs.code_blocks import ROOT, block
from tests.docs.shell import serve_folder

from flaskauth.app import periodic_jobs
from flaskauth.audit import sealing


def test_audit_verify_command_reports_an_intact_log(tmp_path: Path) -> None:
    with serve_folder(tmp_path) as shell:
        assert shell.paste(block("docs/concepts/audit-log.md", "verify")).startswith("The audit log is intact.")


def test_audit_log_page_figures_match_the_code() -> None:
    text = (ROOT / "docs/concepts/audit-log.md").read_text(encoding="utf-8").replace("\n  ", " ")
    intervals = {job.name: job.interval for job in periodic_jobs()}

    assert (intervals["audit.seal"], sealing.SEAL_DELAY) == (timedelta(minutes=1), timedelta(minutes=2))
    assert "Every minute one process takes the events that are older than two minutes" in text
    assert f"up to {sealing.SEAL_SIZE} at a time" in text
