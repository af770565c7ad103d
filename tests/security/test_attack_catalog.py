"""Every attack in the catalog is covered by an existing test or has a reason why it does not apply."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.security.catalog import ATTACKS, NOT_APPLICABLE

TESTS = Path(__file__).parents[1]


def function_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def attack_ids_in_tests() -> set[str]:
    """Return the attack ids in the names of this folder's tests."""
    names = [name for path in TESTS.glob("security/test_*_attacks.py") for name in function_names(path)]
    return {match.group(1).upper() for name in names if (match := re.match(r"test_([a-o]\d\d)_", name))}


def test_every_attack_has_an_existing_test() -> None:
    uncovered = {attack for attack, (_, *tests) in ATTACKS.items() if not tests} - attack_ids_in_tests()
    named = {node for _, *tests in ATTACKS.values() for node in tests}
    missing = {node for node in named if node.partition("::")[2] not in function_names(TESTS / node.partition("::")[0])}

    assert uncovered == set()
    assert missing == set()


def test_attack_tests_match_catalog_and_gaps_have_reasons() -> None:
    assert attack_ids_in_tests() - set(ATTACKS) == set()
    assert set(ATTACKS).isdisjoint(NOT_APPLICABLE)
    assert all(NOT_APPLICABLE.values())


def test_attack_ids_are_consecutive_in_each_section() -> None:
    """The ids of a section are the consecutive odd numbers."""
    odd_ids = {attack for attack in {*ATTACKS, *NOT_APPLICABLE} if int(attack[1:]) % 2}
    for section in "ABCDEFGHIJMNO":
        numbers = sorted(int(attack[1:]) for attack in odd_ids if attack[0] == section)
        assert numbers == list(range(1, numbers[-1] + 1, 2)), section
