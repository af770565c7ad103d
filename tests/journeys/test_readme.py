"""The README's tour, pasted as it stands."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.servers import free_port

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that was started with nothing set, in an empty folder."""
    port = free_port()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [str(Path(sys.executable).parent / "flaskauth"), "serve", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env={"PATH": path}, stdout=log, stderr=log)
    try:
        _wait_for(f"http://localhost:{port}/health/ready")
        yield f"http://localhost:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=15)


def test_the_tour_works_as_pasted(served: str, tmp_path: Path) -> None:
    tour = re.search(r"^```sh tour\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert tour
    script = tour[1].replace("http://localhost:5000", served)

    said = subprocess.run(
        ["bash", "-eu"], input=script, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert said.returncode == 0, said.stderr
    for message in ("Registration Successful", "Verification Successful", "Profile Details", "Token Successfully"):
        assert message in said.stdout


def _wait_for(url: str) -> None:
    for _ in range(300):
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
