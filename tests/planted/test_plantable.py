"""The bugs of `make planted` can still be planted, and the tests that would tell are there."""

import pytest
from tests.planted.bugs import BUGS, Bug
from tests.test_house_rules import ROOT, SRC


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.kind}-{bug.file}")
def test_what_a_bug_changes_stands_there_once(bug: Bug) -> None:
    assert (SRC / bug.file).read_text(encoding="utf-8").count(bug.old) == 1


@pytest.mark.parametrize("test", sorted({test for bug in BUGS for test in bug.tests}))
def test_the_tests_that_would_tell_are_there(test: str) -> None:
    file, _, name = test.partition("::")

    assert f"def {name or 'test_'}" in (ROOT / file).read_text(encoding="utf-8")
