"""What an upgrade would do, in words; nothing is changed for it."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import URL, Connection, NullPool, column, create_engine, func, inspect, select, table

VERSIONS = "alembic_version"
EMPTY = r"(?!.*NOT NULL(?!.*DEFAULT))"  # rows that are there, or that an old version adds, need no value
ADDS = re.compile(rf"CREATE TABLE|CREATE INDEX|INSERT INTO|ALTER TABLE \S+ ADD COLUMN {EMPTY}", re.DOTALL)
TABLE = re.compile(
    r"(?:CREATE (?:UNIQUE )?INDEX \S+ ON|(?:ALTER|DROP) TABLE|UPDATE|DELETE FROM|DROP INDEX \S+ ON) (\S+)"
)
READS_ALL = re.compile(r"CREATE (UNIQUE )?INDEX|ALTER TABLE \S+ (?!ADD COLUMN)|UPDATE|DELETE")
SHOWN = 3  # statements that begin alike


@dataclass(frozen=True)
class Step:
    """One revision."""

    revision: str
    told: str
    statements: tuple[str, ...]
    rows: Mapping[str, int]

    @property
    def only_adds(self) -> bool:
        """Whether servers of the version before can go on serving."""
        return all(ADDS.match(statement) for statement in self.statements)

    @property
    def takes_long(self) -> list[str]:
        """The tables of which every row has to be read."""
        slow = {_table(statement) for statement in self.statements if READS_ALL.match(statement)}
        return sorted(f"{name} (about {self.rows[name]:,} rows)" for name in slow & set(self.rows))

    def in_short(self) -> Iterator[str]:
        """Its statements, but of many that begin alike the first ones only."""
        for _, alike in groupby(self.statements, key=lambda statement: statement.split()[:3]):
            found = list(alike)
            yield from found if len(found) <= SHOWN else (found[0], f"-- and {len(found) - 1:,} more like this")


def steps(config: Config, url: URL, stands: str | None, to: str) -> Iterator[Step]:
    """From where the database stands, in their order."""
    revisions = ScriptDirectory.from_config(config).iterate_revisions(to, stands or "base")
    rows = _rows(url) if stands else {}
    for script in reversed([*revisions]):
        statements = tuple(_statements(config, script))
        concerned = {_table(statement) for statement in statements}
        about = {name: count for name, count in rows.items() if name in concerned}
        yield Step(script.revision, script.doc, statements, about)


def _statements(config: Config, script: Script) -> Iterator[str]:
    config.output_buffer = written = io.StringIO()
    command.upgrade(config, f"{script.down_revision or 'base'}:{script.revision}", sql=True)
    for told in written.getvalue().split(";\n"):
        statement = "\n".join(line for line in told.strip().splitlines() if line and not line.startswith("--"))
        if statement and VERSIONS not in statement and statement not in {"BEGIN", "COMMIT"}:
            yield statement


def _table(statement: str) -> str:
    found = TABLE.match(statement)
    return found.group(1).strip('`"') if found else ""


def _rows(url: URL) -> dict[str, int]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return _counted(connection) if connection.dialect.name == "sqlite" else _estimated(connection)


def _counted(connection: Connection) -> dict[str, int]:
    names = inspect(connection).get_table_names()
    return {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in names}


def _estimated(connection: Connection) -> dict[str, int]:
    known = table(
        "tables", column("table_name"), column("table_rows"), column("table_schema"), schema="information_schema"
    )
    ours = select(known.c.table_name, known.c.table_rows).where(known.c.table_schema == func.database())
    return {name: rows or 0 for name, rows in connection.execute(ours)}
