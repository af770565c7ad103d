"""Batches: requests that wait at the same time are processed together, for example by one statement (ADR 24)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Generic, TypeVar

from flask import Flask

from flaskauth.core.errors import Overloaded

T = TypeVar("T")
R = TypeVar("R")

MAX_QUEUED = 512  # items that wait, including those whose client has disconnected
MAX_BATCH = 64  # items of one call


class BatchProcessor(Generic[T, R]):
    """Threads that call a function with all items that wait.

    An item that arrives alone is processed immediately. Under load, a batch is what arrived during the previous call.

    Args:
        app: the function is called in its application context.
        process: returns a result or an exception for each item, in the same order. If it raises an exception, each item
            of the batch gets it.
        threads: the number of batches that are processed concurrently. The threads start on first use.
    """

    def __init__(
        self,
        app: Flask,
        process: Callable[[Sequence[T]], Sequence[R | Exception]],
        threads: int = 1,
    ) -> None:
        self._app, self._process = app, process
        self._queue: SimpleQueue[tuple[T, asyncio.Future[R]]] = SimpleQueue()
        self._threads = [self._create_thread() for _ in range(threads)]
        self._lock = Lock()

    async def run(self, item: T) -> R:
        """Process an item and return its result, or raise its exception.

        Raises:
            Overloaded: the queue is full.
        """
        if self._queue.qsize() >= MAX_QUEUED:
            raise Overloaded(retry_after=1)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.put((item, future))
        if not all([thread.is_alive() for thread in self._threads]):  # not started, or not copied by a fork
            self._start_threads()
        return await future

    def _start_threads(self) -> None:
        with self._lock:
            for number, thread in enumerate(self._threads):
                if not thread.is_alive():
                    self._threads[number] = self._create_thread()
                    self._threads[number].start()

    def _create_thread(self) -> Thread:
        return Thread(target=self._run_forever, name="batch", daemon=True)

    def _run_forever(self) -> None:
        while True:
            batch = [self._queue.get()]
            with suppress(Empty):
                while len(batch) < MAX_BATCH:
                    batch.append(self._queue.get_nowait())
            results = self._call([item for item, _ in batch])
            _deliver([future for _, future in batch], results)
            del batch, results  # the results can be large, and the next item can arrive much later

    def _call(self, items: Sequence[T]) -> Sequence[R | BaseException]:
        try:
            with self._app.app_context():
                return [result for _, result in zip(items, self._process(items), strict=True)]
        except BaseException as error:  # noqa: BLE001 (the requests raise it)
            return [error] * len(items)


def _deliver(futures: "Sequence[asyncio.Future[R]]", results: Sequence[R | BaseException]) -> None:
    """Set the results. The event loop is woken once for the whole batch."""
    with suppress(RuntimeError):  # the event loop is closed: the process stops
        futures[0].get_loop().call_soon_threadsafe(_set_results, futures, results)


def _set_results(futures: "Sequence[asyncio.Future[R]]", results: Sequence[R | BaseException]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():  # cancelled
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
