"""What a server asks its database while people do something, and whether an index answers it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.servers import MariaDB

from benchmarks.crowd import asked

READING = re.compile(r"\s*(SELECT|UPDATE|DELETE)\b", re.IGNORECASE)
VALUES = re.compile(r"'(?:\\.|''|[^'\\])*'|\b\d+(?:\.\d+)?\b", re.DOTALL)
BY_DESIGN = {"signing_keys", "countries"}  # small, and read whole
LARGE = ("users", "sessions")  # which nobody reads whole, whatever else could be used


@dataclass(frozen=True)
class Plan:
    """A statement, and for each of its tables how that is read, with what it could be read."""

    statement: str
    tables: list[tuple[str, str, str]]

    @property
    def reads_whole(self) -> list[str]:
        whole = [(table, keys) for table, kind, keys in self.tables if kind == "ALL" and table not in BY_DESIGN]
        return [table for table, keys in whole if keys in {"", "None"} or table.startswith(LARGE)]


def of(database: MariaDB, name: str, live: Callable[[], None]) -> list[Plan]:
    """Of everything that was asked in this database meanwhile, each kind of statement once."""
    for setting in ("log_output = 'TABLE'", "general_log = ON"):
        database.execute(f"SET GLOBAL {setting}")
    live()
    database.execute("SET GLOBAL general_log = OFF")
    log = asked(database, "SELECT HEX(argument) FROM mysql.general_log WHERE command_type IN ('Query', 'Execute')")
    texts = [bytes.fromhex(row).decode(errors="replace") for (row,) in log]
    said = {VALUES.sub("?", text): text for text in texts if READING.match(text)}
    return [Plan(shape, _explained(database, name, text)) for shape, text in said.items() if _is_about_tables(text)]


def _is_about_tables(text: str) -> bool:
    return bool(re.search(r"\b(FROM|UPDATE)\b", text)) and "general_log" not in text


def _explained(database: MariaDB, name: str, text: str) -> list[tuple[str, str, str]]:
    """Columns of EXPLAIN: id, select_type, table, type, possible_keys, ..."""
    return [(row[2], row[3], row[4]) for row in asked(database, f"EXPLAIN {text}", name)]
