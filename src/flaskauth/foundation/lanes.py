"""Threads that answer requests, with a line before them that does not grow without end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any

from flaskauth.foundation.errors import Overloaded

MOST_WAITING = 512  # requests that stand in line for a thread, whether or not who sent them is still there


class Lane:
    """Some threads, and how many requests are theirs. An executor of the library would cost each request as much as a
    good part of its answer."""

    def __init__(self, threads: int, name: str) -> None:
        self._line: SimpleQueue[tuple[asyncio.Future[None], Callable[..., None], tuple[Any, ...]]] = SimpleQueue()
        self._most = threads + MOST_WAITING
        self._taken = 0
        for number in range(threads):
            Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    async def run(self, work: Callable[..., None], *args: Any) -> None:
        """Have one of them do it.

        Raises:
            Overloaded: too many stand in line. Who has hung up still stands there, so nothing else would bound it.
        """
        if self._taken >= self._most:
            raise Overloaded(retry_after=1)
        done = asyncio.get_running_loop().create_future()
        self._taken += 1
        done.add_done_callback(self._leave)
        self._line.put((done, work, args))
        await done

    def _leave(self, _done: object) -> None:
        self._taken -= 1

    def _work(self) -> None:
        while True:
            done, work, args = self._line.get()
            try:
                work(*args)
                error = None
            except BaseException as raised:  # noqa: BLE001 (it is raised where it is waited for)
                error = raised
            with suppress(RuntimeError):  # the loop has ended with the process
                done.get_loop().call_soon_threadsafe(_tell, done, error)
            del done, work, args, error


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.done():  # who waited has been told to stop
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
