"""What a database says when it cannot be worked with: in words without secrets, and what to do."""

from sqlalchemy.exc import DBAPIError

NO_SUCH_TABLE, NO_SUCH_COLUMN = 1146, 1054
NO_SCHEMA = "its schema is not there; run: flaskauth db upgrade"
ANOTHER_SCHEMA = "its schema is another than this version wants; run: flaskauth db upgrade"
BY_SQLITE = {  # it has words only
    "no such table": NO_SCHEMA,
    "unable to open database file": NO_SCHEMA,
    "no such column": ANOTHER_SCHEMA,
}
WORDS = {
    1044: "it has no such database, or this user may not use it",
    1045: "it refuses the name or the password",
    1049: "it has no such database",
    1698: "it refuses the name or the password",
    2002: "nobody answers there",
    2003: "nobody answers there",
    2005: "its host has no address",
    NO_SUCH_TABLE: NO_SCHEMA,
    NO_SUCH_COLUMN: ANOTHER_SCHEMA,
}


def in_words(error: BaseException) -> str:
    """Why, as far as the number says; a driver's own text may quote what is secret."""
    reason = of_driver(error)
    said = reason.args[0] if reason.args else None
    if isinstance(said, int):
        return f"{WORDS.get(said, type(reason).__name__)} ({said})"
    told = (words for beginning, words in BY_SQLITE.items() if str(said).startswith(beginning))
    return next(told, type(reason).__name__)


def of_driver(error: BaseException) -> BaseException:
    """The driver's own error, in whatever it was wrapped."""
    cause = error if isinstance(error, DBAPIError) else error.__cause__ or error
    return getattr(cause, "orig", None) or cause


def lacks_schema(error: BaseException) -> bool:
    """Whether an upgrade of the schema is what is missing."""
    return in_words(error).startswith((NO_SCHEMA, ANOTHER_SCHEMA))
