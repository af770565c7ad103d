"""The wheel, installed into an empty virtual environment."""

import re
import subprocess
import sys
from contextlib import closing
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port
from tests.support.repository import list_files

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


def run_uv(*arguments: str | Path) -> None:
    result = subprocess.run(
        [UV, "--quiet", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run_uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and its dependencies, and return the folder of the installed commands."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    run_uv("venv", "--python", sys.executable, folder)
    run_uv("pip", "install", "--python", folder / "bin/python", "--constraint", "requirements.txt", wheel)
    return folder / "bin"


def test_wheel_contains_only_the_package_and_its_data(wheel: Path) -> None:
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert {name.removeprefix("src/") for name in list_files("src")} <= names
    for suffix in (".html", ".txt", ".js", ".css", ".mako", ".typed"):
        assert any(name.endswith(suffix) for name in names), suffix
    assert {name.partition("/")[0] for name in names} == {"flaskauth"}


def test_wheel_metadata_is_correct(wheel: Path) -> None:
    [name] = [name for name in ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")]
    metadata = HeaderParser().parsestr(ZipFile(wheel).read(name).decode())

    assert metadata.get_all("Provides-Extra") == ["mysql", "native"]
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.11")
    assert "make run" in metadata.get_payload()


def test_wheel_serves_from_an_empty_folder(commands: Path, tmp_path: Path) -> None:
    workspace, port = Workspace(tmp_path), free_port()

    workspace.run(str(commands / "flaskauth"), "db", "upgrade")
    serve = (str(commands / "flaskauth"), "serve", "--port", str(port))
    with workspace.start(*serve) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        UserScenario(http_client, http_client.code_for, "grace@example.com").run_full_scenario()
        for asset in page_assets(http_client):
            assert http_client.get(asset).status == 200, asset
        assert server.terminate() == 0


def page_assets(http_client: HttpClient) -> list[str]:
    """Return the paths of the assets that the HTML pages load."""
    pages = http_client.get("/docs").raw + http_client.get("/dev/mailbox").raw
    paths = re.findall(r'(?:src|href)="(/[^"#]+\.(?:js|css|svg|png|ico))"', pages.decode())
    assert len(paths) >= 2
    return paths


def test_wheel_package_is_imported_from_its_venv(commands: Path, tmp_path: Path) -> None:
    output = Workspace(tmp_path).run(str(commands / "python"), "-c", "import flaskauth; print(flaskauth.__file__)")

    assert Path(output.strip()).is_relative_to(commands.parent)


def test_wheel_flask_and_celery_commands_work(commands: Path, tmp_path: Path) -> None:
    assert "Commands" in Workspace(tmp_path).run(str(commands / "flask"), "--app", "flaskauth", "--help")
    assert "REDIS_URL" in Workspace(tmp_path).run(
        str(commands / "celery"), "-A", "flaskauth.celery", "worker", expect=None
    )
