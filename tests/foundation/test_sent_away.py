"""Whoever is told to come again hears it after a while that costs no thread: to try again at once brings nothing."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from tests.journeys.processes import Place, Running
from tests.servers import free_port

from flaskauth.foundation.gate import HELD_FOR, Hold

ROOT = Path(__file__).parents[2]
AWAY = b"POST /later?1 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PROBED = b"GET /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
OTHER = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, int]]:
    """The application of `gated`, with one thread to write and one to look."""
    port = free_port()
    words = ("granian", "--interface", "rsgi", "--factory", "--no-ws", "--working-dir", str(ROOT), "--port", str(port))
    with Place(tmp_path_factory.mktemp("away")).start(*words, "tests.foundation.gated:gate") as server:
        server.wait_until(lambda: _answers(port))
        yield server, port


def _answers(port: int) -> bool:
    with suppress(OSError):
        return _asked(port, OTHER)[1].startswith(b"HTTP/1.1 200")
    return False


def _asked(port: int, sent: bytes) -> tuple[float, bytes]:
    """After how many seconds everything was back, and what."""
    began = time.monotonic()
    with closing(_sent(port, sent)) as client:
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    return time.monotonic() - began, answer


def _sent(port: int, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(sent)
    return client


def test_who_is_told_when_to_come_again_hears_it_later_and_whole(gated: tuple[Running, int]) -> None:
    took, answer = _asked(gated[1], AWAY)

    assert took >= HELD_FOR
    head, _, body = answer.lower().partition(b"\r\n\r\n")
    assert head.startswith(b"http/1.1 503")
    assert b"retry-after: 1" in head
    assert b"x-told: yes" in head
    assert body == b"not now"


def test_a_probe_hears_it_at_once(gated: tuple[Running, int]) -> None:
    tried = [_asked(gated[1], PROBED) for _ in range(5)]

    assert all(answer.startswith(b"HTTP/1.1 503") for _, answer in tried)
    assert min(took for took, _ in tried) < HELD_FOR


def test_the_thread_that_writes_is_free_meanwhile(gated: tuple[Running, int]) -> None:
    _, port = gated
    many = 40
    with ExitStack() as open_connections:
        for _ in range(many):
            open_connections.enter_context(closing(_sent(port, AWAY)))
        took, answer = _asked(port, OTHER)

    assert answer.startswith(b"HTTP/1.1 200")
    assert took < many * HELD_FOR / 2  # it stood behind all of them


def test_who_hangs_up_meanwhile_is_no_accident(gated: tuple[Running, int]) -> None:
    server, port = gated
    for _ in range(5):
        _sent(port, AWAY).close()
    _asked(port, AWAY)

    assert "accident" not in server.said


def test_past_so_many_nobody_waits() -> None:
    hold, order = Hold(0.2, most=2), list[str]()

    async def sent_away(name: str) -> None:
        await hold.out()
        order.append(name)

    asyncio.run(_together(sent_away("first"), sent_away("second"), sent_away("third")))
    assert order == ["third", "first", "second"]

    asyncio.run(_together(sent_away("fourth")))  # a place is free again
    assert order[3:] == ["fourth"]


async def _together(*waits: Awaitable[None]) -> None:
    await asyncio.gather(*waits)
