"""Threads that answer requests, with a line before them that does not grow without end."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any

from flaskauth.foundation.errors import Overloaded

SOON = 0.02  # seconds
MOST_WAITING = 512  # requests that stand in line for a thread, whether or not who sent them is still there


class Lane:
    """Some threads, and how many requests are theirs. An executor of the library would cost each request as much as a
    good part of its answer."""

    def __init__(self, threads: int, name: str) -> None:
        self._line: SimpleQueue[tuple[asyncio.Future[None], Callable[..., None], tuple[Any, ...]]] = SimpleQueue()
        self._done: deque[asyncio.Future[None]] = deque()
        self._under_way = 0
        self._is_looking = False
        for number in range(threads):
            Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    async def run(self, work: Callable[..., None], *args: Any) -> None:
        """Have one of them do it. When it is done, this returns within `SOON`, as the answer has gone out by then; to
        wake the loop for each of them would hold up the others.

        Raises:
            Overloaded: too many stand in line. Who has hung up still stands there, so nothing else would bound it.
        """
        if self._line.qsize() >= MOST_WAITING:
            raise Overloaded(retry_after=1)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._under_way += 1
        self._line.put((done, work, args))
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(SOON, self._look, loop)
        try:
            await done
        finally:
            self._under_way -= 1

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._done:
            _tell(self._done.popleft(), None)
        self._is_looking = self._under_way > 0
        if self._is_looking:
            loop.call_later(SOON, self._look, loop)

    def _work(self) -> None:
        while True:
            done, work, args = self._line.get()
            try:
                work(*args)
            except BaseException as error:  # noqa: BLE001 (it is raised where it is waited for, and answered there)
                with suppress(RuntimeError):  # the loop has ended with the process
                    done.get_loop().call_soon_threadsafe(_tell, done, error)
            else:
                self._done.append(done)
            del done, work, args


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():  # who waited has been told to stop
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
