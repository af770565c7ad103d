"""The SQL statements that a server sends during a workload, and whether they use an index."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.servers import MariaDB

from benchmarks.dataset import query_as_root

READ_STATEMENT = re.compile(r"\s*(SELECT|UPDATE|DELETE)\b", re.IGNORECASE)
LITERALS = re.compile(r"'(?:\\.|''|[^'\\])*'|\b\d+(?:\.\d+)?\b", re.DOTALL)
SMALL_TABLES = {"signing_keys", "countries"}  # a full scan is acceptable
LARGE_TABLES = ("users", "sessions")  # a full scan is never acceptable, even if an index is possible


@dataclass(frozen=True)
class QueryPlan:
    """A statement, and for each of its tables the access type and the possible keys of its query plan."""

    statement: str
    tables: list[tuple[str, str, str]]

    @property
    def full_scans(self) -> list[str]:
        full_tables = [
            (table, keys)
            for table, access_type, keys in self.tables
            if access_type == "ALL" and table not in SMALL_TABLES
        ]
        return [table for table, keys in full_tables if keys in {"", "None"} or table.startswith(LARGE_TABLES)]


def explain_statements(database: MariaDB, name: str, run_workload: Callable[[], None]) -> list[QueryPlan]:
    """Run the workload and return the query plan of each distinct statement that it caused."""
    for setting in ("log_output = 'TABLE'", "general_log = ON"):
        database.execute(f"SET GLOBAL {setting}")
    run_workload()
    database.execute("SET GLOBAL general_log = OFF")
    log = query_as_root(
        database, "SELECT HEX(argument) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute')"
    )
    texts = [bytes.fromhex(row).decode(errors="replace") for (row,) in log]
    statements = {LITERALS.sub("?", text): text for text in texts if READ_STATEMENT.match(text)}
    return [
        QueryPlan(template, _explain(database, name, text))
        for template, text in statements.items()
        if _reads_tables(text)
    ]


def _reads_tables(text: str) -> bool:
    return bool(re.search(r"\b(FROM|UPDATE)\b", text)) and "general_log" not in text


def _explain(database: MariaDB, name: str, text: str) -> list[tuple[str, str, str]]:
    """Return the columns table, type and possible_keys of EXPLAIN."""
    return [(row[2], row[3], row[4]) for row in query_as_root(database, f"EXPLAIN {text}", name)]
