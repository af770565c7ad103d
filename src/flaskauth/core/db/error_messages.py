"""Database errors as messages without secrets, with advice."""

from sqlalchemy.exc import DBAPIError

NO_SUCH_TABLE, NO_SUCH_COLUMN = 1146, 1054
MISSING_SCHEMA = "the schema does not exist; run: flaskauth db upgrade"
WRONG_SCHEMA = "the schema does not match this version; run: flaskauth db upgrade"
SQLITE_MESSAGES = {  # SQLite has no numeric codes here
    "no such table": MISSING_SCHEMA,
    "unable to open database file": MISSING_SCHEMA,
    "no such column": WRONG_SCHEMA,
}
MYSQL_MESSAGES = {
    1044: "the database does not exist, or the user has no access to it",
    1045: "access denied: check user name and password",
    1049: "the database does not exist",
    1698: "access denied: check user name and password",
    2002: "cannot connect to the database server",
    2003: "cannot connect to the database server",
    2005: "the host name cannot be resolved",
    NO_SUCH_TABLE: MISSING_SCHEMA,
    NO_SUCH_COLUMN: WRONG_SCHEMA,
}


def describe(error: BaseException) -> str:
    """Return the reason for an error code. The driver's own message is not included: it may quote secrets."""
    reason = driver_error(error)
    code = reason.args[0] if reason.args else None
    if isinstance(code, int):
        return f"{MYSQL_MESSAGES.get(code, type(reason).__name__)} ({code})"
    messages = (message for prefix, message in SQLITE_MESSAGES.items() if str(code).startswith(prefix))
    return next(messages, type(reason).__name__)


def driver_error(error: BaseException) -> BaseException:
    """Return the driver's error that SQLAlchemy or the session wrapped."""
    cause = error if isinstance(error, DBAPIError) else error.__cause__ or error
    return getattr(cause, "orig", None) or cause


def is_schema_missing(error: BaseException) -> bool:
    """Return True if the schema must be upgraded."""
    return describe(error).startswith((MISSING_SCHEMA, WRONG_SCHEMA))
