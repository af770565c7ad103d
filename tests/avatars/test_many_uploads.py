"""A hundred uploads at once, to a server as it is run: its memory stays within bounds, and one file is left."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from PIL import Image
from tests.avatars.files import MEGABYTE, form, png, read, saved
from tests.inside import together
from tests.journeys.processes import Place, Running
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port

EMAIL = "grace@example.com"
UPLOADS = 100
# One picture of 25 megapixels is decoded at a time (200 MB with an alpha channel), and files wait on the disk; the rest
# are the buffers through which a hundred bodies came. Allocators keep what they had; a second hundred uses it again.
PEAK, MORE = 450 * MEGABYTE, 128 * MEGABYTE


@contextmanager
def served(folder: Path) -> Iterator[tuple[Running, Visitor]]:
    """A server with nothing set but looser request limits."""
    port = free_port()
    place = Place(folder, {"REQUEST_LIMITS": "1000"})
    with place.start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        yield server.wait_until(visitor.is_ready), visitor


def memory(server: Running, what: str) -> int:
    """The bytes of its worker, now (VmRSS) or at the most since the last reset (VmHWM)."""
    [worker] = server.children()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{what}:"))) * 1024


def upload(port: int, token: str, file: bytes) -> int:
    body, kind = form(("avatar", "me.png", file))
    with closing(HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
        connection.request("PUT", "/users/avatar", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def test_a_hundred_uploads_at_once_leave_one_file_and_the_memory_within_bounds(tmp_path: Path) -> None:
    wide, heavy = png(5000, 5000, 6), saved(Image.frombytes("RGB", (1250, 1250), os.urandom(1250 * 1250 * 3)), "PNG")
    assert 4 * MEGABYTE < len(heavy) < 5 * MEGABYTE
    with served(tmp_path) as (server, visitor):
        person = Traveller(visitor, visitor.code_for, EMAIL)
        person.join()
        person.sign_in()
        assert upload(visitor.port, person.token, png(8, 8)) == 200  # loads what is loaded at first use

        before = memory(server, "VmRSS")
        files = [wide, heavy] * (UPLOADS // 2)
        statuses = together([partial(upload, visitor.port, person.token, file) for file in files])
        after = memory(server, "VmRSS")
        statuses += together([partial(upload, visitor.port, person.token, file) for file in files])

        assert set(statuses) <= {200, 429, 503}
        assert 1 <= statuses.count(200) <= 29
        assert memory(server, "VmHWM") - before < PEAK
        assert memory(server, "VmRSS") - after < MORE
        [kept] = (tmp_path / "instance" / "avatars").iterdir()
        shown = visitor.get("/users/profile", person.token).expect()["user"]["avatar"]
        assert shown.rpartition("/")[2] == kept.name
        assert read(visitor.get(f"/avatars/{kept.name}").raw).format == "WEBP"
        assert "Traceback" not in server.said
