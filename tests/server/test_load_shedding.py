"""503 responses with Retry-After are delayed, without occupying a thread, to slow down clients that retry."""

import asyncio
import socket
import time
from collections.abc import Awaitable
from contextlib import ExitStack, closing

from tests.e2e.processes import RunningProcess

from flaskauth.server.request_buffer import OVERLOAD_DELAY, DelayedResponses

SHED_REQUEST = b"POST /later?1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PROBE_REQUEST = b"GET /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
NORMAL_REQUEST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _timed_exchange(port: int, request: bytes) -> tuple[float, bytes]:
    """Return the duration in seconds and the complete response."""
    started = time.monotonic()
    with closing(_open_and_send(port, request)) as client:
        response = b"".join(iter(lambda: client.recv(65_536), b""))
    return time.monotonic() - started, response


def _open_and_send(port: int, request: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(request)
    return client


def test_503_with_retry_after_is_delayed_and_complete(echo_server: tuple[RunningProcess, int]) -> None:
    seconds, response = _timed_exchange(echo_server[1], SHED_REQUEST)

    assert seconds >= OVERLOAD_DELAY
    head, _, body = response.lower().partition(b"\r\n\r\n")
    assert head.startswith(b"http/1.1 503")
    assert b"retry-after: 1" in head
    assert b"x-custom: yes" in head
    assert body == b"not now"


def test_503_without_retry_after_is_sent_immediately(echo_server: tuple[RunningProcess, int]) -> None:
    exchanges = [_timed_exchange(echo_server[1], PROBE_REQUEST) for _ in range(5)]

    assert all(response.startswith(b"HTTP/1.1 503") for _, response in exchanges)
    assert min(seconds for seconds, _ in exchanges) < OVERLOAD_DELAY


def test_delayed_503_does_not_occupy_the_write_thread(echo_server: tuple[RunningProcess, int]) -> None:
    _, port = echo_server
    shed_requests = 40
    with ExitStack() as open_connections:
        for _ in range(shed_requests):
            open_connections.enter_context(closing(_open_and_send(port, SHED_REQUEST)))
        seconds, response = _timed_exchange(port, NORMAL_REQUEST)

    assert response.startswith(b"HTTP/1.1 200")
    assert seconds < shed_requests * OVERLOAD_DELAY / 2  # a queue would take shed_requests * OVERLOAD_DELAY


def test_client_disconnect_during_delay_logs_no_error(echo_server: tuple[RunningProcess, int]) -> None:
    server, port = echo_server
    for _ in range(5):
        _open_and_send(port, SHED_REQUEST).close()
    _timed_exchange(port, SHED_REQUEST)

    assert "unhandled_exception" not in server.output


def test_delayed_responses_beyond_limit_are_immediate() -> None:
    delayed, order = DelayedResponses(0.2, max_delayed=2), list[str]()

    async def shed(name: str) -> None:
        await delayed.wait()
        order.append(name)

    asyncio.run(_gather(shed("first"), shed("second"), shed("third")))
    assert order == ["third", "first", "second"]

    asyncio.run(_gather(shed("fourth")))  # delayed, because a slot is free again
    assert order[3:] == ["fourth"]


def test_time_before_the_rejection_counts_towards_the_delay() -> None:
    delayed, started = DelayedResponses(30, max_delayed=1), time.monotonic()

    asyncio.run(_gather(delayed.wait(elapsed=29.9)))

    assert 0.1 <= time.monotonic() - started < 29


async def _gather(*waits: Awaitable[None]) -> None:
    await asyncio.gather(*waits)
