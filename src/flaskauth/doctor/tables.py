"""Check collation and storage engine: similar addresses must stay distinct, and transactions must roll back."""

from sqlalchemy import Connection, text

from flaskauth.core.db.types import MYSQL_TABLE_OPTIONS, Base
from flaskauth.doctor.findings import Finding, failed, ok

ENGINES_QUERY = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()"
COLLATIONS_QUERY = (
    "SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
    " UNION SELECT CONCAT(table_name, '.', column_name), collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
)


def _check_tables(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        return ok("SQLite has no collations or storage engines to check")
    collation, storage_engine = MYSQL_TABLE_OPTIONS["mysql_collate"], MYSQL_TABLE_OPTIONS["mysql_engine"]
    if mismatched := _find_mismatched(connection, COLLATIONS_QUERY, collation):
        return failed(
            f"collation is not {collation}: {', '.join(mismatched)}",
            f"For each table: ALTER TABLE ... CONVERT TO CHARACTER SET {MYSQL_TABLE_OPTIONS['mysql_charset']}"
            f" COLLATE {collation}",
        )
    if mismatched := _find_mismatched(connection, ENGINES_QUERY, storage_engine):
        return failed(
            f"storage engine is not {storage_engine}: {', '.join(mismatched)}",
            f"For each table: ALTER TABLE ... ENGINE={storage_engine}",
        )
    default = connection.execute(text("SELECT @@collation_database")).scalar_one()
    return ok(f"all tables of flaskauth are {collation} and {storage_engine}; the database default is {default}")


def _find_mismatched(connection: Connection, statement: str, expected: str) -> list[str]:
    """Return up to five tables and columns of flaskauth with a different value."""
    rows = connection.execute(text(statement))
    mismatched = [name for name, value in rows if name.partition(".")[0] in Base.metadata.tables and value != expected]
    return sorted(mismatched)[:5] + (["..."] if len(mismatched) > 5 else [])


CHECKS = {"tables": _check_tables}
