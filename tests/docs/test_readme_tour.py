"""The README's tour runs unchanged."""

from pathlib import Path

from tests.docs.code_blocks import block
from tests.docs.shell import serve_folder


def test_readme_tour_works_as_pasted(tmp_path: Path) -> None:
    with serve_folder(tmp_path) as shell:
        output = shell.paste(block("README.md", "tour"))

    for message in ("Registration Successful", "Verification Successful", "Profile Details", "Token Successfully"):
        assert message in output
