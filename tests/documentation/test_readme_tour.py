"""The README's tour, pasted as it stands."""

from pathlib import Path

from tests.documentation.blocks import block
from tests.documentation.shells import served


def test_the_tour_works_as_pasted(tmp_path: Path) -> None:
    with served(tmp_path) as shell:
        said = shell.paste(block("README.md", "tour"))

    for message in ("Registration Successful", "Verification Successful", "Profile Details", "Token Successfully"):
        assert message in said
