"""A hundred concurrent uploads to a real server stay within a memory limit and leave one file."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from PIL import Image
from tests.avatars.sample_images import MEGABYTE, encode_image, make_png, multipart_form, open_image
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import RunningProcess, Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port
from tests.support.inspect import run_concurrently

EMAIL = "grace@example.com"
UPLOADS = 100
# The server decodes one 25-megapixel image at a time (200 MB with an alpha channel); waiting files are on disk. The
# rest is the buffers of a hundred bodies. Allocators keep memory, and a second hundred uploads reuses it.
MAX_PEAK_GROWTH, MAX_REPEAT_GROWTH = 450 * MEGABYTE, 128 * MEGABYTE


@contextmanager
def running_server(folder: Path) -> Iterator[tuple[RunningProcess, HttpClient]]:
    """A server with default settings except for its request limits."""
    port = free_port()
    workspace = Workspace(folder, {"RATE_LIMIT_FACTOR": "1000"})
    with workspace.start("flaskauth", "serve", "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        yield server.wait_until(http_client.is_ready), http_client


def worker_memory(server: RunningProcess, field: str) -> int:
    """Return the memory of the worker in bytes: now (VmRSS) or the peak since the last reset (VmHWM)."""
    [worker] = server.children()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:"))) * 1024


def upload(port: int, token: str, file: bytes) -> int:
    body, content_type = multipart_form(("avatar", "me.png", file))
    with closing(HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        connection.request("PUT", "/users/avatar", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status


def test_hundred_parallel_uploads_stay_within_memory_limit(tmp_path: Path) -> None:
    large, incompressible = (
        make_png(5000, 5000, 6),
        encode_image(Image.frombytes("RGB", (1250, 1250), os.urandom(1250 * 1250 * 3)), "PNG"),
    )
    assert 4 * MEGABYTE < len(incompressible) < 5 * MEGABYTE
    with running_server(tmp_path) as (server, http_client):
        user = UserScenario(http_client, http_client.code_for, EMAIL)
        user.register_and_verify()
        user.login()
        assert upload(http_client.port, user.token, make_png(8, 8)) == 200  # a first upload loads the lazy imports

        memory_before = worker_memory(server, "VmRSS")
        files = [large, incompressible] * (UPLOADS // 2)
        statuses = run_concurrently([partial(upload, http_client.port, user.token, file) for file in files])
        memory_after = worker_memory(server, "VmRSS")
        statuses += run_concurrently([partial(upload, http_client.port, user.token, file) for file in files])

        assert set(statuses) <= {200, 429, 503}
        assert 1 <= statuses.count(200) <= 29
        assert worker_memory(server, "VmHWM") - memory_before < MAX_PEAK_GROWTH
        assert worker_memory(server, "VmRSS") - memory_after < MAX_REPEAT_GROWTH
        [stored_file] = (tmp_path / "instance" / "avatars").iterdir()
        avatar_url = http_client.get("/users/profile", user.token).expect()["user"]["avatar"]
        assert avatar_url.rpartition("/")[2] == stored_file.name
        assert open_image(http_client.get(f"/avatars/{stored_file.name}").raw).format == "WEBP"
        assert "Traceback" not in server.output
