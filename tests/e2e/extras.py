"""Install the wheel with each extra alone into a new virtual environment, and use what it is for.

Then let pip check the lock with its hashes, as the guides install it. The other installations use uv.

`make test-slow SUITE=packaging` runs it. It needs the package index.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import Redis, free_port

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
EXTRA_PACKAGES = {"serve": "granian", "worker": "celery", "avatars": "obstore"}
CREATE_APP = "import flaskauth; print(flaskauth.create_app().test_client().get('/hello').get_json())"
CONVERT = "from io import BytesIO; from PIL import Image; b = BytesIO(); Image.new('RGB', (9, 9)).save(b, 'PNG');"
CONVERT += "from flaskauth.avatars.images import convert_to_webp; print(convert_to_webp(b)[8:12])"


def install(wheel: Path, extra: str, folder: Path) -> Path:
    """Install the wheel with an extra and return the folder of the commands."""
    run_uv("venv", "--python", sys.executable, folder / "venv")
    python = folder / "venv/bin/python"
    run_uv("pip", "install", "--python", python, "--constraint", "requirements.txt", f"{wheel}{extra}")
    return folder / "venv/bin"


def run_uv(*arguments: str | Path) -> None:
    subprocess.run([UV, "--quiet", *arguments], cwd=ROOT, check=True)


def check_lock(folder: Path) -> None:
    """Let pip resolve and download the lock. It rejects a package without a hash."""
    run_uv("venv", "--seed", "--python", sys.executable, folder)
    index = os.environ.get("UV_DEFAULT_INDEX")
    command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--dry-run", "--require-hashes"]
    environment = {**os.environ, **({"PIP_INDEX_URL": index} if index else {})}
    subprocess.run([*command, "-r", "requirements.txt"], cwd=ROOT, env=environment, check=True)


def check_library(commands: Path, folder: Path) -> None:
    workspace = Workspace(folder, is_forked=False)
    assert "Hello It Works" in workspace.run(str(commands / "python"), "-c", CREATE_APP)
    assert "No entries" in workspace.run(str(commands / "flaskauth"), "mail", "list")
    for extra, package in EXTRA_PACKAGES.items():
        assert not list(commands.parent.glob(f"lib/*/site-packages/{package}")), extra


def check_serve(commands: Path, folder: Path) -> None:
    port = free_port()
    workspace = Workspace(folder, is_forked=False)
    with workspace.start(str(commands / "flaskauth"), "serve", "--port", str(port)) as server:
        with closing(HttpClient(port)) as http_client:
            server.wait_until(http_client.is_ready)
        assert server.terminate() == 0


def check_worker(commands: Path, folder: Path) -> None:
    with Redis() as redis:
        workspace = Workspace(folder, {"REDIS_URL": redis.url, "FLASKAUTH_ENV": "development"}, is_forked=False)
        workspace.run(str(commands / "python"), "-c", CREATE_APP)  # the worker creates no database
        command = (str(commands / "celery"), "-A", "flaskauth.celery", "worker", "--loglevel=INFO")
        with workspace.start(*command) as worker:
            worker.wait_until(lambda: "flaskauth.mail.deliver" in worker.output, seconds=120)  # the banner lists tasks


def check_avatars(commands: Path, folder: Path) -> None:
    assert "WEBP" in Workspace(folder, is_forked=False).run(str(commands / "python"), "-c", CONVERT)


CHECKS: dict[str, Callable[[Path, Path], None]] = {
    "": check_library,
    "[serve]": check_serve,
    "[worker]": check_worker,
    "[avatars]": check_avatars,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        run_uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", name)
        [wheel] = Path(name).glob("*.whl")
        for number, (extra, check) in enumerate(CHECKS.items()):
            folder = Path(name, str(number))
            folder.mkdir()
            check(install(wheel, extra, folder), folder)
            print(f"flaskauth-server{extra}: ok", flush=True)
        check_lock(Path(name, "lock"))
        print("requirements.txt: ok", flush=True)


if __name__ == "__main__":
    main()
