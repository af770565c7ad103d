"""The log cannot be written, as its reader stands still or its disk is full: nobody is held up for that."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from tests.journeys.processes import Place
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port

PAGE = 4096


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[int]:
    """The end of a pipe of one page; nobody reads unless a test does."""
    os.mkfifo(tmp_path / "log")
    end = os.open(tmp_path / "log", os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PAGE)
    yield end
    os.close(end)


def test_a_log_that_nobody_reads_says_afterwards_what_it_has_lost(tmp_path: Path, pipe: int) -> None:
    port, said = free_port(), bytearray()
    words = ("flaskauth", "serve", "--port", str(port), "--workers", "2")
    place = Place(tmp_path, {"REQUEST_LIMITS": "1000"})
    with place.start(*words) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        person = Traveller(visitor, visitor.code_for, "grace@example.com")
        person.join()
        for _ in range(20):
            person.sign_in()

        def tells() -> bool:
            with suppress(BlockingIOError):
                said.extend(os.read(pipe, PAGE))
            person.sign_in()
            return b'"log_lines_lost"' in said

        server.wait_until(tells)
        assert server.end() in {0, -15}


def test_a_log_on_a_full_disk_makes_no_answer_an_error(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "log").symlink_to("/dev/full")
    with Place(tmp_path).start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        person = Traveller(visitor, visitor.code_for, "grace@example.com")
        person.go_all_the_way()
