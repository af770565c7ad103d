"""The page on verifying shows the examples that tests/examples runs, whole."""

import pytest
from tests.documentation.blocks import ROOT, block


@pytest.mark.parametrize(
    ("shown", "example"),
    [
        (block("docs/verifying.md", "plain"), "plain.py"),
        (block("docs/verifying.md", "service"), "service.py"),
    ],
    ids=["plain", "service"],
)
def test_what_it_shows_is_the_example(shown: str, example: str) -> None:
    assert shown == (ROOT / "examples" / "offline" / example).read_text()
