"""The mutants of `make test-mutation` match the current source, and the tests they name exist."""

import pytest
from tests.mutation.mutants import MUTANTS, Mutant
from tests.test_conventions import ROOT, SRC


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.kind}-{mutant.file}")
def test_mutant_original_code_occurs_exactly_once(mutant: Mutant) -> None:
    assert (SRC / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1


@pytest.mark.parametrize("test", sorted({test for mutant in MUTANTS for test in mutant.tests}))
def test_mutant_tests_exist(test: str) -> None:
    file, _, name = test.partition("::")

    assert f"def {name or 'test_'}" in (ROOT / file).read_text(encoding="utf-8")
