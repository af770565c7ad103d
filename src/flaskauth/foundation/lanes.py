"""Threads that answer requests, with a line before them that does not grow without end."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVarTuple

from flaskauth.foundation.errors import Overloaded

Ts = TypeVarTuple("Ts")

MOST_WAITING = 512  # requests that stand in line for a thread, whether or not who sent them is still there


class Lane:
    """Threads that answer, and how many requests are theirs."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + MOST_WAITING
        self._taken = 0

    async def run(self, work: Callable[[*Ts], None], *args: *Ts) -> None:
        """Have one of them do it.

        Raises:
            Overloaded: too many stand in line. Who has hung up still stands there, so nothing else would bound it.
        """
        if self._taken >= self._most:
            raise Overloaded(retry_after=1)
        self._taken += 1
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._taken -= 1
