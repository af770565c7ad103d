"""A thread pool with a bounded queue, for the requests of an event loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from flaskauth.core.errors import Overloaded

NOTIFY_INTERVAL = 0.02  # seconds
MAX_QUEUED = 512  # requests that wait for a thread, including those whose client has disconnected

Task = tuple[asyncio.Future[None], Callable[..., None], tuple[object, ...]]


class WorkerThreads:
    """Threads that run the tasks of an event loop.

    `ThreadPoolExecutor` with `run_in_executor` would add a significant part of the processing time of a short request.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._queue: SimpleQueue[Task] = SimpleQueue()
        self._finished: deque[asyncio.Future[None]] = deque()
        self._in_progress = 0
        self._is_polling = False
        for number in range(threads):
            Thread(target=self._run_worker, name=f"{name}-{number}", daemon=True).start()

    async def run(self, function: Callable[..., None], *args: object) -> None:
        """Call the function in a thread; raise its exception.

        This returns up to `NOTIFY_INTERVAL` after the call. The response has been sent by then, and waking the event
        loop for each call would delay the other requests.

        Raises:
            Overloaded: the queue is full. Disconnected clients stay in it, so nothing else limits its length.
        """
        if self._queue.qsize() >= MAX_QUEUED:
            raise Overloaded(retry_after=1)
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._in_progress += 1
        self._queue.put((future, function, args))
        if not self._is_polling:
            self._is_polling = True
            loop.call_later(NOTIFY_INTERVAL, self._notify_finished, loop)
        try:
            await future
        finally:
            self._in_progress -= 1

    def _notify_finished(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._finished:
            _set_result(self._finished.popleft(), None)
        self._is_polling = self._in_progress > 0
        if self._is_polling:
            loop.call_later(NOTIFY_INTERVAL, self._notify_finished, loop)

    def _run_worker(self) -> None:
        while True:
            future, function, args = self._queue.get()
            try:
                function(*args)
            except BaseException as error:  # noqa: BLE001 (`run` raises it in the event loop)
                with suppress(RuntimeError):  # the event loop is closed: the process stops
                    future.get_loop().call_soon_threadsafe(_set_result, future, error)
            else:
                self._finished.append(future)
            del future, function, args


def _set_result(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
