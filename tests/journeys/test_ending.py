"""A server that is told to end goes on for a while, so that proxies notice."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.journeys.processes import Place, Running
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port

DELAY = 2


@contextmanager
def served(folder: Path, delay: float = DELAY) -> Iterator[tuple[Running, Visitor]]:
    port = free_port()
    place = Place(folder, {"DRAIN_DELAY": str(delay)})
    words = ("flaskauth", "serve", "--port", str(port), "--workers", "2")
    with place.start(*words) as server, closing(Visitor(port)) as visitor:
        yield server.wait_until(visitor.is_ready), visitor


def test_meanwhile_it_is_not_ready_and_serves_and_keeps_no_connection(tmp_path: Path) -> None:
    with served(tmp_path) as (server, visitor):
        assert "Connection" not in visitor.get("/health/live").headers
        server.signal(signal.SIGTERM)
        began = time.monotonic()
        server.wait_until(lambda: visitor.get("/health/ready").status == 503)

        Traveller(visitor, visitor.code_for, "grace@example.com").join()
        for path, status in (("/health/ready", 503), ("/hello", 200)):
            answer = visitor.get(path)
            assert (answer.status, answer.headers["Connection"]) == (status, "close")
        assert server.wait() in {0, -signal.SIGTERM}
        assert DELAY <= time.monotonic() - began < DELAY + 8
        assert "Traceback" not in server.said


@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)], ids=["twice", "Ctrl-C"])
def test_told_twice_or_by_ctrl_c_it_ends_at_once(tmp_path: Path, signals: tuple[signal.Signals, ...]) -> None:
    with served(tmp_path, delay=60) as (server, visitor):
        for number in signals:
            server.signal(number)
            time.sleep(0.2)
        assert server.wait() in {0, -number}
        assert not visitor.is_ready()
