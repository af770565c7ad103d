"""The security page: the tests that it names exist, and its tables are complete."""

import ast
import inspect
import re
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest
from flask import Flask
from tests.docs.asvs import REQUIREMENTS
from tests.docs.code_blocks import ROOT
from tests.support.shortcuts import REAL
from tests.test_conventions import imported_names, source_trees

from flaskauth.core.passwords import hashes

PAGE = (ROOT / "docs/reference/security.md").read_text(encoding="utf-8")
ASVS, NIST, RFCS = ("OWASP ASVS 5.0", "NIST SP 800-63B-4", "RFCs and papers")
TEST_NODE = re.compile(r"[\w/]+\.py::test_\w+")
OPEN_AT_LEVEL_1 = {"7.2.4", "15.2.1"}  # named above the tables of the page
STATUS = re.compile(r"met|open: .{10,}|not applicable: .{4,}")
# Modules that implement cryptography.
LIBRARIES = {"jwt", "cryptography", "pwdlib", "argon2", "bcrypt", "passlib", "pyotp"}
CRYPTOGRAPHY = {"hashlib", "hmac", "secrets", "ssl", *LIBRARIES}


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        return self.cells[0].split(", ")

    @property
    def named_tests(self) -> list[str]:
        return [node for node in self.cells[-2].split(", ") if node != "-"]

    @property
    def status(self) -> str:
        return self.cells[-1]


def section(heading: str) -> str:
    """Return the text under a heading of any level."""
    [(marks, start)] = [(match[1], match.end()) for match in re.finditer(rf"^(#+) {heading}$", PAGE, re.MULTILINE)]
    following = re.search(rf"^#{{1,{len(marks)}}} ", PAGE[start:], re.MULTILINE)
    return PAGE[start : start + following.start()] if following else PAGE[start:]


def rows(heading: str) -> list[Row]:
    lines = [line for line in section(heading).splitlines() if line.startswith("| ")]
    split = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return [Row(cells) for cells in split if cells[0] not in {"id", "topic", "from", "way", "what"}]


def every_row() -> list[Row]:
    return [row for heading in (ASVS, NIST, RFCS) for row in rows(heading)]


@cache
def defined_tests(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_security_page_named_tests_exist() -> None:
    named = {node for row in every_row() for node in row.named_tests}

    assert [node for node in named if not TEST_NODE.fullmatch(node)] == []
    assert [node for node in named if node.split("::")[1] not in defined_tests(node.split("::")[0])] == []


def test_security_page_lists_every_asvs_requirement() -> None:
    listed = [(int(row.cells[1]), number) for row in rows(ASVS) for number in row.ids]

    assert sorted(listed) == sorted((level, number) for level, numbers in REQUIREMENTS.items() for number in numbers)


def test_security_page_met_rows_name_a_test() -> None:
    assert [row for row in every_row() if not STATUS.fullmatch(row.status)] == []
    assert [row for row in every_row() if row.status == "met" and not row.named_tests] == []


@pytest.mark.parametrize("heading", [ASVS, NIST, RFCS])
def test_security_page_open_level_1_items_are_known(heading: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The test prints the number of rows by level and status."""
    levels = {row: f"level {row.cells[1]}" if heading == ASVS else "rows" for row in rows(heading)}
    counts = Counter((levels[row], row.status.partition(":")[0]) for row in levels for _ in row.ids)
    with capsys.disabled():
        print(
            f"\n{heading}:", ", ".join(f"{level} {status} {count}" for (level, status), count in sorted(counts.items()))
        )

    open_ids = {id_ for row in levels for id_ in row.ids if levels[row] == "level 1" and row.status.startswith("open")}
    assert open_ids == (OPEN_AT_LEVEL_1 if heading == ASVS else set())
    assert sum(counts.values()) >= 15


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_security_page_lists_every_token_endpoint(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").get_json()
    schemas = document["components"]["schemas"]
    token_schemas = {
        name for name, schema in schemas.items() if {"token", "refresh_token"} & set(schema.get("properties", {}))
    }
    operations_with_tokens = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if any(
            f'"#/components/schemas/{name}"' in str(operation["responses"]).replace("'", '"') for name in token_schemas
        )
    }

    assert operations_with_tokens
    assert operations_with_tokens == {row.cells[0].strip("`") for row in rows("Authentication endpoints")}


def test_security_page_lists_every_cryptography_module() -> None:
    importers = {
        path
        for path, tree in source_trees()
        if {name.partition(".")[0] for name in imported_names(tree)} & CRYPTOGRAPHY
    }
    listed = set(re.findall(r"`([\w/]+\.py)`", section("Cryptography")))

    assert importers == listed


def test_security_page_argon2_costs_match_the_code() -> None:
    [row] = [row for row in rows("Cryptography") if row.cells[0] == "passwords"]

    parameters = "$argon2id$v=19$m=19456,t=2,p=1$"
    salt = REAL.hash("seven green kettles").removeprefix(parameters).partition("$")[0]

    assert len(b64decode(f"{salt}==")) * 8 == 128
    assert f'DECOY_HASH = "{parameters}' in inspect.getsource(hashes)
    assert "Argon2id, 19 MiB, 2 passes, 1 lane, 128-bit salt" in row.cells[1]


def test_security_page_names_accepted_risks() -> None:
    accepted = re.findall(r"^- \*\*(.+?)\*\*", section("Accepted risks"), re.MULTILINE)

    assert len(accepted) == len(set(accepted)) >= 8


def test_security_policy_states_dependency_fix_deadlines() -> None:
    """ASVS 15.1.1."""
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

    assert re.search(
        r"from its advisory, a severe vulnerability .* within 7 days, any other within 30", policy, re.DOTALL
    )
