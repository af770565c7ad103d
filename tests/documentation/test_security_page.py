"""The page on security: what it says is held is held by a test that is there, and it leaves nothing out."""

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest
from flask import Flask
from tests.documentation.asvs import REQUIRED
from tests.documentation.blocks import ROOT
from tests.test_house_rules import imported, trees

from flaskauth.foundation import hashing

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
ASVS, NIST, RFCS = ("OWASP ASVS 5.0", "NIST SP 800-63B-4", "RFCs and papers")
NODE = re.compile(r"[\w/]+\.py::test_\w+")
OPEN_AT_LEVEL_1 = {"7.2.4", "15.2.1"}  # each is named at the head of its table, with its reason
STATUS = re.compile(r"met|open: .{10,}|not applicable: .{4,}")
# What does cryptography of its own, or asks a library that does.
CRYPTOGRAPHY = {"hashlib", "hmac", "secrets", "ssl", "jwt", "cryptography", "pwdlib", "argon2", "bcrypt", "passlib"}


@dataclass(frozen=True)
class Row:
    """A row of one of the tables."""

    cells: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        return self.cells[0].split(", ")

    @property
    def held_by(self) -> list[str]:
        return [node for node in self.cells[-2].split(", ") if node != "-"]

    @property
    def status(self) -> str:
        return self.cells[-1]


def section(heading: str) -> str:
    """What stands under a heading of any depth."""
    [(marks, at)] = [(found[1], found.end()) for found in re.finditer(rf"^(#+) {heading}$", PAGE, re.MULTILINE)]
    following = re.search(rf"^#{{1,{len(marks)}}} ", PAGE[at:], re.MULTILINE)
    return PAGE[at : at + following.start()] if following else PAGE[at:]


def rows(heading: str) -> list[Row]:
    found = [line for line in section(heading).splitlines() if line.startswith("| ")]
    split = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in found]
    return [Row(cells) for cells in split if cells[0] not in {"id", "topic", "from", "way", "what"}]


def every_row() -> list[Row]:
    return [row for heading in (ASVS, NIST, RFCS) for row in rows(heading)]


@cache
def named_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_test_that_is_named_is_there() -> None:
    named = {node for row in every_row() for node in row.held_by}

    assert [node for node in named if not NODE.fullmatch(node)] == []
    assert [node for node in named if node.split("::")[1] not in named_in(node.split("::")[0])] == []


def test_no_requirement_is_left_out_and_each_has_its_level() -> None:
    told = [(int(row.cells[1]), number) for row in rows(ASVS) for number in row.ids]

    assert sorted(told) == sorted((level, number) for level, numbers in REQUIRED.items() for number in numbers)


def test_nothing_is_without_a_status_and_nothing_is_met_without_a_test() -> None:
    assert [row for row in every_row() if not STATUS.fullmatch(row.status)] == []
    assert [row for row in every_row() if row.status == "met" and not row.held_by] == []


@pytest.mark.parametrize("heading", [ASVS, NIST, RFCS])
def test_how_many_are_met_is_counted(heading: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`pytest -s` shows it. What is open at level 1 would be told on the page as the first thing."""
    levels = {row: f"level {row.cells[1]}" if heading == ASVS else "rows" for row in rows(heading)}
    counts = Counter((levels[row], row.status.partition(":")[0]) for row in levels for _ in row.ids)
    with capsys.disabled():
        print(
            f"\n{heading}:", ", ".join(f"{level} {status} {count}" for (level, status), count in sorted(counts.items()))
        )

    opened = {id_ for row in levels for id_ in row.ids if levels[row] == "level 1" and row.status.startswith("open")}
    assert opened == (OPEN_AT_LEVEL_1 if heading == ASVS else set())
    assert sum(counts.values()) >= 15


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_call_that_gives_a_token_is_among_the_ways_in(app: Flask) -> None:
    described = app.test_client().get("/openapi.json").get_json()
    schemas = described["components"]["schemas"]
    giving = {
        name for name, schema in schemas.items() if {"token", "refresh_token"} & set(schema.get("properties", {}))
    }
    calls = {
        f"{method.upper()} {path}"
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if any(f'"#/components/schemas/{name}"' in str(operation["responses"]).replace("'", '"') for name in giving)
    }

    assert calls
    assert calls == {row.cells[0].strip("`") for row in rows("The ways in")}


def test_whatever_does_cryptography_is_in_the_inventory() -> None:
    found = {path for path, tree in trees() if {name.partition(".")[0] for name in imported(tree)} & CRYPTOGRAPHY}
    told = set(re.findall(r"`([\w/]+\.py)`", section("Cryptography")))

    assert found == told


def test_the_costs_of_a_hash_are_those_of_the_inventory() -> None:
    [told] = [row for row in rows("Cryptography") if row.cells[0] == "passwords"]

    assert hashing._NOBODY.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert "Argon2id, 19 MiB, 2 passes, 1 lane, 128-bit salt" in told.cells[1]


def test_what_is_accepted_is_named() -> None:
    accepted = re.findall(r"^- \*\*(.+?)\*\*", section("Accepted, by name"), re.MULTILINE)

    assert len(accepted) == len(set(accepted)) >= 8


def test_how_fast_holes_of_libraries_are_closed_is_said() -> None:
    """ASVS 15.1.1."""
    told = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

    assert re.search(r"from its advisory on, a grave hole .* within 7 days, any other within 30", told, re.DOTALL)
