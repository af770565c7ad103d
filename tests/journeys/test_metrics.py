"""GET /metrics of `flaskauth serve` with two processes: whichever answers, it tells of both."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.journeys import leaks
from tests.journeys.processes import Place, Running
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.metrics.reading import TOKEN, value
from tests.servers import free_port

COUNT = "request_seconds_count"
HELLO = {"route": "/hello", "method": "GET", "status": "2xx"}


@contextmanager
def measured(folder: Path) -> Iterator[tuple[Running, int]]:
    """A server of two processes whose token stands in a file, and its port."""
    port = free_port()
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "tmp").mkdir()
    place = Place(folder, {"METRICS_TOKEN_FILE": "token", "WEB_CONCURRENCY": "2", "TMPDIR": str(folder / "tmp")})
    with place.start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        yield server.wait_until(lambda: value(page(port), "processes") == 2), port


def page(port: int) -> str:
    """As one of the processes tells it, to somebody whose connection is new."""
    with closing(Visitor(port, "192.0.2.1")) as visitor:
        answer = visitor.get("/metrics", TOKEN)
    assert answer.status == 200
    return answer.raw.decode()


def greet(port: int, times: int) -> None:
    for _ in range(times):
        with closing(Visitor(port)) as visitor:
            visitor.get("/hello").expect()


def greet_until_both_have_answered(server: Running, port: int, files: Path) -> int:
    """How many times it took: the kernel may give many connections in a row to the same process."""
    greeted = 0

    def both_have() -> bool:
        nonlocal greeted
        with ThreadPoolExecutor(8) as several:
            list(several.map(lambda _: greet(port, 1), range(8)))
        greeted += 8
        return len(list(files.glob("*/histogram_*.db"))) >= len(server.children()) == 2

    server.wait_until(both_have)
    return greeted


def test_every_process_tells_what_all_have_counted(tmp_path: Path) -> None:
    with measured(tmp_path) as (server, port):
        greetings = greet_until_both_have_answered(server, port, tmp_path / "tmp")

        told = [page(port) for _ in range(10)]
        assert {value(each, COUNT, **HELLO) for each in told} == {greetings}
        assert server.end() in {0, -15}
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_killed_process_has_counted_stays_and_what_it_had_under_way_does_not(tmp_path: Path) -> None:
    with measured(tmp_path) as (server, port):
        greet(port, 20)
        for pid in server.children():
            os.kill(pid, signal.SIGKILL)
            server.wait_until(lambda pid=pid: pid not in server.children() and len(server.children()) == 2)  # type: ignore[misc]
        with closing(Visitor(port)) as visitor:
            server.wait_until(visitor.is_ready)
        greet(port, 20)

        server.wait_until(lambda: value(page(port), "processes") == 2)
        assert value(page(port), COUNT, **HELLO) == 40


def test_nobody_is_named_in_it(tmp_path: Path) -> None:
    with measured(tmp_path) as (_, port), closing(Visitor(port)) as visitor:
        person = Traveller(visitor, visitor.code_for, "grace@example.com")
        person.go_all_the_way()
        assert visitor.from_network("192.0.2.1").get("/metrics").status == 404

        told = page(port)
        assert value(told, COUNT, route="/auth/login", method="POST", status="2xx") >= 1
        assert not leaks.leaked({*person.secrets, TOKEN}, {"metrics": told.encode()})
        assert [name for name in ("grace", "@", "192.0.2", "127.0.0") if name in told] == []


def test_what_is_refused_before_the_application_is_asked_is_counted_too(tmp_path: Path) -> None:
    with measured(tmp_path) as (_, port):
        before = value(page(port), "refusals_total", code="bad_request")
        with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as link:
            link.request("GET", "/hello", headers={"X-Odd": b"\xff"})
            assert link.getresponse().status == 400

        assert value(page(port), "refusals_total", code="bad_request") - before == 1
