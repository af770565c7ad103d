"""Redis as Celery's broker, where a message that is none is dropped: kombu's own transport ends the worker over it."""

from collections.abc import Callable
from queue import Empty
from typing import Any

import structlog
from kombu.transport import redis

# All that our messages need. The others (time limits, delays, retries) could do harm, some of it out of reach of here.
HEADERS = {"lang", "task", "id", "expires"}
NO_MESSAGE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)

log = structlog.get_logger(__name__)


class Channel(redis.Channel):
    """Reads the queue; whoever can write to Redis may write anything there."""

    def _brpop_read(self, **options: Any) -> Any:
        """Take the next message; what cannot be read as one has left the queue, and nothing came."""
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except NO_MESSAGE as error:
            log.warning("message_dropped", reason=type(error).__name__)
            raise Empty from None

    def _connparams(self, asynchronous: bool = False) -> Any:
        """Where Redis is.

        A connection that was given up knows no more; kombu would raise an AttributeError, over which a worker ends that
        has a message in hand when Redis dies. That message comes again, or the sweep finds its mail.
        """
        if self.connection.client is None:
            raise ConnectionError
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Any], Any], consumer_tag: str, **more: Any
    ) -> Any:
        return super().basic_consume(  # type: ignore[no-untyped-call]
            queue, no_ack, _checked(callback), consumer_tag, **more
        )


class Transport(redis.Transport):
    """What Celery is told to use."""

    Channel = Channel


def _checked(callback: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Have a message that the worker cannot make sense of rejected, or it would come again and again."""

    def receive(message: Any) -> None:
        try:
            message.headers = {name: value for name, value in message.headers.items() if name in HEADERS}
            callback(message)
        except NO_MESSAGE as error:
            log.warning("message_dropped", reason=type(error).__name__)
            if not message.acknowledged:
                message.reject()

    return receive
