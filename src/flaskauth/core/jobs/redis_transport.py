"""A Redis transport for Celery that drops malformed messages. With kombu's own transport they stop the worker."""

from collections.abc import Callable
from queue import Empty
from typing import Protocol

from kombu.transport import redis

from flaskauth.core.observability.log import get_logger

# The headers that the messages need. Others (time limits, delays, retries) would let a forged message do harm.
ALLOWED_HEADERS = {"lang", "task", "id", "expires"}
DECODE_ERRORS = (ValueError, TypeError, LookupError, AttributeError, RecursionError)

log = get_logger(__name__)


class Message(Protocol):
    """The part of kombu's message that is used here."""

    headers: dict[str, object]
    acknowledged: bool

    def reject(self) -> None: ...


class Channel(redis.Channel):
    """Read the queue. Its messages are untrusted: any client with write access to Redis can add one."""

    def _brpop_read(self, **options: object) -> object:
        """Read the next message. A malformed one is dropped and treated as an empty queue."""
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except DECODE_ERRORS as error:
            log.warning("message_dropped", reason=type(error).__name__)
            raise Empty from None

    def _connparams(self, asynchronous: bool = False) -> object:
        """Return the connection parameters.

        A closed connection has none. kombu would raise an AttributeError, which stops a worker that is processing a
        message when Redis fails. The message is delivered again, or the periodic delivery finds its mail.
        """
        if self.connection.client is None:
            raise ConnectionError
        return super()._connparams(asynchronous)  # type: ignore[no-untyped-call]

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Message], object], consumer_tag: str, **kwargs: object
    ) -> object:
        return super().basic_consume(  # type: ignore[no-untyped-call]
            queue, no_ack, _reject_malformed(callback), consumer_tag, **kwargs
        )


class Transport(redis.Transport):
    """The transport that `broker_transport` names."""

    Channel = Channel


def _reject_malformed(callback: Callable[[Message], object]) -> Callable[[Message], None]:
    """Wrap a callback so that a malformed message is rejected. Otherwise it would be delivered again without end."""

    def receive(message: Message) -> None:
        try:
            message.headers = {name: value for name, value in message.headers.items() if name in ALLOWED_HEADERS}
            callback(message)
        except DECODE_ERRORS as error:
            log.warning("message_dropped", reason=type(error).__name__)
            if not message.acknowledged:
                message.reject()

    return receive
