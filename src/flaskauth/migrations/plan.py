"""The plan of an upgrade: the statements and the affected tables. Nothing is changed."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import URL, Connection, NullPool, column, create_engine, func, inspect, select, table

VERSION_TABLE = "alembic_version"
NO_VALUE_NEEDED = r"(?!.*NOT NULL(?!.*DEFAULT))"  # existing rows, and inserts of the old version, need no value
ADDITIVE = re.compile(rf"CREATE TABLE|CREATE INDEX|INSERT INTO|ALTER TABLE \S+ ADD COLUMN {NO_VALUE_NEEDED}", re.DOTALL)
TABLE_NAME = re.compile(
    r"(?:CREATE (?:UNIQUE )?INDEX \S+ ON|(?:ALTER|DROP) TABLE|UPDATE|DELETE FROM|DROP INDEX \S+ ON) (\S+)"
)
FULL_TABLE_READ = re.compile(r"CREATE (UNIQUE )?INDEX|ALTER TABLE \S+ (?!ADD COLUMN)|UPDATE|DELETE")
MAX_SIMILAR_SHOWN = 3  # consecutive statements with the same first words


@dataclass(frozen=True)
class Step:
    """One revision and its statements."""

    revision: str
    description: str
    statements: tuple[str, ...]
    row_counts: Mapping[str, int]

    @property
    def is_additive(self) -> bool:
        """True if servers of the previous version can continue to run."""
        return all(ADDITIVE.match(statement) for statement in self.statements)

    @property
    def slow_tables(self) -> list[str]:
        """The tables of which every row is read, with the approximate row count."""
        slow = {_table_name(statement) for statement in self.statements if FULL_TABLE_READ.match(statement)}
        return sorted(f"{name} (about {self.row_counts[name]:,} rows)" for name in slow & set(self.row_counts))

    def summarize_statements(self) -> Iterator[str]:
        """Yield the statements. A long series of similar ones is shortened to the first one and a count."""
        for _, group in groupby(self.statements, key=lambda statement: statement.split()[:3]):
            similar = list(group)
            yield from (
                similar
                if len(similar) <= MAX_SIMILAR_SHOWN
                else (similar[0], f"-- and {len(similar) - 1:,} more like this")
            )


def plan_steps(config: Config, url: URL, current: str | None, to: str) -> Iterator[Step]:
    """Yield the steps from the current revision to the target, in order."""
    revisions = ScriptDirectory.from_config(config).iterate_revisions(to, current or "base")
    row_counts = _read_row_counts(url) if current else {}
    for script in reversed([*revisions]):
        statements = tuple(_statements(config, script))
        affected = {_table_name(statement) for statement in statements}
        affected_row_counts = {name: count for name, count in row_counts.items() if name in affected}
        yield Step(script.revision, script.doc, statements, affected_row_counts)


def _statements(config: Config, script: Script) -> Iterator[str]:
    config.output_buffer = output = io.StringIO()
    command.upgrade(config, f"{script.down_revision or 'base'}:{script.revision}", sql=True)
    for part in output.getvalue().split(";\n"):
        statement = "\n".join(line for line in part.strip().splitlines() if line and not line.startswith("--"))
        if statement and VERSION_TABLE not in statement and statement not in {"BEGIN", "COMMIT"}:
            yield statement


def _table_name(statement: str) -> str:
    match = TABLE_NAME.match(statement)
    return match.group(1).strip('`"') if match else ""


def _read_row_counts(url: URL) -> dict[str, int]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return _count_rows(connection) if connection.dialect.name == "sqlite" else _estimate_rows(connection)


def _count_rows(connection: Connection) -> dict[str, int]:
    names = inspect(connection).get_table_names()
    return {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in names}


def _estimate_rows(connection: Connection) -> dict[str, int]:
    schema_tables = table(
        "tables", column("table_name"), column("table_rows"), column("table_schema"), schema="information_schema"
    )
    query = select(schema_tables.c.table_name, schema_tables.c.table_rows).where(
        schema_tables.c.table_schema == func.database()
    )
    return {name: rows or 0 for name, rows in connection.execute(query)}
