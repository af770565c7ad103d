"""The wheel and the source archive; the wheel is installed into an empty virtual environment."""

import re
import subprocess
import sys
import tomllib
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

from flaskauth import __version__

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


def run_uv(*arguments: str | Path) -> None:
    result = subprocess.run(
        [UV, "--quiet", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive, and the wheel from it, and return their folder."""
    folder = tmp_path_factory.mktemp("dist")
    run_uv("build", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    [path] = distributions.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and its dependencies, and return the folder of the installed commands."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    run_uv("venv", "--python", sys.executable, folder)
    run_uv("pip", "install", "--python", folder / "bin/python", "--constraint", "requirements.txt", f"{wheel}[all]")
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

    assert (metadata["Name"], metadata["Version"]) == ("flaskauth-server", __version__)
    assert set(metadata.get_all("Provides-Extra") or ()) == {"all", "avatars", "mysql", "native", "serve", "worker"}
    classifiers = metadata.get_all("Classifier") or []
    assert [name for name in classifiers if name.startswith("Development Status")]
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)} <= set(classifiers)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.11")
    assert "make run" in metadata.get_payload()


def test_distributions_pass_twine_check(distributions: Path) -> None:
    files = sorted(distributions.glob("flaskauth_server-*"))
    command = (sys.executable, "-m", "twine", "check", "--strict")

    result = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout
    assert [path.suffix for path in files] == [".whl", ".gz"]


def test_lock_covers_every_extra() -> None:
    """The production guide installs `requirements.txt`, and then flaskauth without its dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = {re.split(r"[\[<>=]", text)[0] for name in ("serve", "worker", "avatars") for text in extras[name]}
    lock = (ROOT / "requirements.txt").read_text()

    assert {name for name in needed if f"\n{name}==" not in lock} == set()
    assert extras["all"] == ["flaskauth-server[serve,worker,avatars]"]


@pytest.mark.slow
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


@pytest.mark.slow
def test_wheel_package_is_imported_from_its_venv(commands: Path, tmp_path: Path) -> None:
    output = Workspace(tmp_path).run(str(commands / "python"), "-c", "import flaskauth; print(flaskauth.__file__)")

    assert Path(output.strip()).is_relative_to(commands.parent)


@pytest.mark.slow
def test_wheel_flask_and_celery_commands_work(commands: Path, tmp_path: Path) -> None:
    assert "Commands" in Workspace(tmp_path).run(str(commands / "flask"), "--app", "flaskauth", "--help")
    assert "REDIS_URL" in Workspace(tmp_path).run(
        str(commands / "celery"), "-A", "flaskauth.celery", "worker", expect=None
    )
