"""Replace what Celery logs while Redis is unavailable: a traceback every 2 seconds."""

import logging
from collections.abc import Iterator

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from flaskauth.core.observability import redis_outage

LOGGERS = ("celery.beat", "celery.worker.consumer.consumer", "celery.worker.consumer.connection")
CONNECTION_ERRORS = (OSError, RedisError, OperationalError)


def init() -> None:
    """Report a lost connection once a minute. Celery must not configure logging itself."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_report_lost_connection)


def _report_lost_connection(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    for error in _related_errors((record.exc_info[1] if record.exc_info else None, *arguments)):
        if isinstance(error, CONNECTION_ERRORS):
            redis_outage.report(error)
            return False
    return True


def _related_errors(values: tuple[object, ...]) -> Iterator[BaseException]:
    """Yield the exceptions among these values, with their causes."""
    for value in values:
        error = value if isinstance(value, BaseException) else None
        while error:
            yield error
            error = error.__cause__ or error.__context__
