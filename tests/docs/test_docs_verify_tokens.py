"""The verification page shows the complete examples that tests/examples runs."""

import pytest
from tests.docs.code_blocks import ROOT, block


@pytest.mark.parametrize(
    ("text", "example"),
    [
        (block("docs/how-to/verify-access-tokens.md", "plain"), "plain.py"),
        (block("docs/how-to/verify-access-tokens.md", "service"), "service.py"),
    ],
    ids=["plain", "service"],
)
def test_verify_tokens_page_code_equals_the_example(text: str, example: str) -> None:
    assert text == (ROOT / "examples" / "offline" / example).read_text()
