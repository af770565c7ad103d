"""The page about the trail: its command runs, and its figures are the code's."""

from datetime import timedelta
from pathlib import Path

from tests.documentation.blocks import ROOT, block
from tests.documentation.shells import served

from flaskauth.app import schedule
from flaskauth.audit import sealing


def test_the_trail_of_a_server_is_whole(tmp_path: Path) -> None:
    with served(tmp_path) as shell:
        assert shell.paste(block("docs/concepts/trail.md", "verify")).startswith("The trail is whole.")


def test_the_figures_are_the_code_s() -> None:
    told = (ROOT / "docs/concepts/trail.md").read_text(encoding="utf-8").replace("\n  ", " ")
    every = {job.name: job.every for job in schedule()}

    assert (every["audit.seal"], sealing.SEALED_AFTER) == (timedelta(minutes=1), timedelta(minutes=2))
    assert "Every minute one process takes the events that are older than two minutes" in told
    assert f"up to {sealing.MOST} at a time" in told
