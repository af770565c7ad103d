"""Every attack on the list is tried, here or by a test that exists; what does not apply says why."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.attacks.rows import NOT_HERE, ROWS

TESTS = Path(__file__).parents[1]


def functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name


def cases() -> set[str]:
    """The rows that a test of this folder is named after."""
    names = [name for path in TESTS.glob("attacks/test_?_*.py") for name in functions(path)]
    return {found.group(1).upper() for name in names if (found := re.match(r"test_([a-o]\d\d)_", name))}


def test_every_row_is_a_case_or_is_held_by_a_test_that_exists() -> None:
    untried = {row for row, (_, *held) in ROWS.items() if not held} - cases()
    named = {node for _, *held in ROWS.values() for node in held}
    missing = {node for node in named if node.partition("::")[2] not in functions(TESTS / node.partition("::")[0])}

    assert untried == set()
    assert missing == set()


def test_every_case_is_a_row_and_no_row_is_left_out_without_a_reason() -> None:
    assert cases() - set(ROWS) == set()
    assert set(ROWS).isdisjoint(NOT_HERE)
    assert all(NOT_HERE.values())


def test_no_section_has_a_gap() -> None:
    """The rows are odd numbers; I05 is ours."""
    known = {row for row in {*ROWS, *NOT_HERE} if int(row[1:]) % 2}
    for section in "ABCDEFGHIJMNO":
        mine = sorted(int(row[1:]) for row in known if row[0] == section)
        assert mine == list(range(1, mine[-1] + 1, 2)), section
