"""How the tables are stored: names that look alike must stay different, and work must be undone as a whole."""

from sqlalchemy import Connection, text

from flaskauth.doctor.findings import Finding, fine, wrong
from flaskauth.foundation.columns import MYSQL, Base

ENGINES = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()"
COLLATIONS = (
    "SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
    " UNION SELECT CONCAT(table_name, '.', column_name), collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
)


def _tables(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        return fine("as they were made")
    collation, kind = MYSQL["mysql_collate"], MYSQL["mysql_engine"]
    if strays := _others(connection, COLLATIONS, collation):
        return wrong(
            f"not in {collation}: {', '.join(strays)}",
            f"ALTER TABLE ... CONVERT TO CHARACTER SET {MYSQL['mysql_charset']} COLLATE {collation}, for each.",
        )
    if strays := _others(connection, ENGINES, kind):
        return wrong(f"not in {kind}: {', '.join(strays)}", f"ALTER TABLE ... ENGINE={kind}, for each.")
    default = connection.execute(text("SELECT @@collation_database")).scalar_one()
    return fine(f"each of ours is {collation} and {kind}; the database's default, {default}, is for others")


def _others(connection: Connection, statement: str, wanted: str) -> list[str]:
    """The first few of our tables and columns that have another value."""
    rows = connection.execute(text(statement))
    ours = [name for name, value in rows if name.partition(".")[0] in Base.metadata.tables and value != wanted]
    return sorted(ours)[:5] + (["..."] if len(ours) > 5 else [])


CHECKS = {"tables": _tables}
