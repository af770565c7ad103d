"""The wheel, in an environment that holds nothing else."""

import re
import subprocess
import sys
from contextlib import closing
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.journeys.processes import Place
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


def uv(*words: str | Path) -> None:
    done = subprocess.run([UV, "--quiet", *words], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are of an environment into which the wheel was installed, and what it asks for."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    uv("venv", "--python", sys.executable, folder)
    uv("pip", "install", "--python", folder / "bin/python", "--constraint", "requirements.txt", wheel)
    return folder / "bin"


def test_it_holds_the_package_with_all_of_its_data_and_nothing_else(wheel: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert {name.removeprefix("src/") for name in tracked.splitlines()} <= held
    for ending in (".html", ".txt", ".js", ".css", ".mako", ".typed"):
        assert any(name.endswith(ending) for name in held), ending
    assert {name.partition("/")[0] for name in held} == {"flaskauth"}


def test_it_says_what_it_is(wheel: Path) -> None:
    [name] = [name for name in ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")]
    told = HeaderParser().parsestr(ZipFile(wheel).read(name).decode())

    assert told.get_all("Provides-Extra") == ["mysql", "native"]
    assert (told["License-Expression"], told["Requires-Python"]) == ("MIT", ">=3.11")
    assert "make run" in told.get_payload()


def test_an_empty_folder_becomes_a_server(commands: Path, tmp_path: Path) -> None:
    place, port = Place(tmp_path), free_port()

    place.run(str(commands / "flaskauth"), "db", "upgrade")
    serve = (str(commands / "flaskauth"), "serve", "--port", str(port))
    with place.start(*serve) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        Traveller(visitor, visitor.code_for, "grace@example.com").go_all_the_way()
        for asset in assets(visitor):
            assert visitor.get(asset).status == 200, asset
        assert server.end() == 0


def assets(visitor: Visitor) -> list[str]:
    """What the pages load beside themselves."""
    pages = visitor.get("/docs").raw + visitor.get("/dev/mailbox").raw
    found = re.findall(r'(?:src|href)="(/[^"#]+\.(?:js|css|svg|png|ico))"', pages.decode())
    assert len(found) >= 2
    return found


def test_it_runs_from_where_it_was_installed(commands: Path, tmp_path: Path) -> None:
    said = Place(tmp_path).run(str(commands / "python"), "-c", "import flaskauth; print(flaskauth.__file__)")

    assert Path(said.strip()).is_relative_to(commands.parent)


def test_it_serves_with_flask_and_celery_too(commands: Path, tmp_path: Path) -> None:
    assert "Commands" in Place(tmp_path).run(str(commands / "flask"), "--app", "flaskauth", "--help")
    assert "REDIS_URL" in Place(tmp_path).run(str(commands / "celery"), "-A", "flaskauth.celery", "worker", expect=None)
