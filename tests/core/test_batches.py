"""Items that wait at the same time are processed in one batch."""

import asyncio
import os
import warnings
from collections.abc import Callable, Sequence
from threading import Event

import pytest
from flask import Flask, current_app

from flaskauth.core.errors import Overloaded
from flaskauth.core.jobs.batches import MAX_BATCH, MAX_QUEUED, BatchProcessor

TIMEOUT = 20  # seconds

app = Flask(__name__)


class Recorder:
    """A function that records its batches, and waits with the first one until the others have arrived."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.is_waiting, self.is_released = Event(), Event()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append([*items])
        if len(self.batches) == 1:
            self.is_waiting.set()
            self.is_released.wait(TIMEOUT)
        return [KeyError(item) if item < 0 else item * 2 for item in items]


async def gather(batches: BatchProcessor[int, int], recorder: Recorder, items: Sequence[int]) -> list[object]:
    """Process the item 0, and the others while it is processed. Return the results of the others."""
    first = asyncio.create_task(batches.run(0))
    await asyncio.to_thread(recorder.is_waiting.wait, TIMEOUT)
    others = [asyncio.create_task(batches.run(item)) for item in items]
    await asyncio.sleep(0)
    recorder.is_released.set()
    assert await first == 0
    return await asyncio.gather(*others, return_exceptions=True)


def test_items_that_wait_are_processed_in_one_batch() -> None:
    recorder = Recorder()
    results = asyncio.run(gather(BatchProcessor(app, recorder), recorder, range(1, 100)))

    assert results == [item * 2 for item in range(1, 100)]
    assert [len(batch) for batch in recorder.batches] == [1, MAX_BATCH, 99 - MAX_BATCH]


def test_exception_of_one_item_leaves_the_others() -> None:
    recorder = Recorder()
    [before, failed, after] = asyncio.run(gather(BatchProcessor(app, recorder), recorder, [1, -1, 2]))

    assert (before, after) == (2, 4)
    assert isinstance(failed, KeyError)


@pytest.mark.parametrize("process", [lambda items: 1 / 0, lambda items: [1] * (len(items) + 1)])
def test_exception_of_the_batch_is_raised_for_each_item(process: Callable[[Sequence[int]], Sequence[int]]) -> None:
    batches = BatchProcessor(app, process)

    async def run() -> list[object]:
        return [*await asyncio.gather(batches.run(1), batches.run(2), return_exceptions=True)]

    assert {type(result) for result in asyncio.run(run())} <= {ZeroDivisionError, ValueError}


def test_full_queue_is_overloaded() -> None:
    recorder = Recorder()
    results = asyncio.run(gather(BatchProcessor(app, recorder), recorder, range(MAX_QUEUED + 3)))

    assert results[:MAX_QUEUED] == [item * 2 for item in range(MAX_QUEUED)]
    assert [type(result) for result in results[MAX_QUEUED:]] == [Overloaded] * 3


def test_batch_is_processed_in_the_application_context() -> None:
    batches: BatchProcessor[int, str] = BatchProcessor(app, lambda items: [current_app.name for _ in items])

    assert asyncio.run(batches.run(1)) == app.name


def test_dead_thread_is_replaced() -> None:
    batches: BatchProcessor[int, int] = BatchProcessor(app, lambda items: items)
    assert asyncio.run(batches.run(1)) == 1
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # fork of a process with threads
        pid = os.fork()  # the threads do not exist in the new process
    if pid == 0:
        os._exit(0 if asyncio.run(batches.run(2)) == 2 else 1)

    assert os.waitpid(pid, 0)[1] == 0
