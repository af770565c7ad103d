"""Where peers are installed: each in a folder of its own below .bench, by the versions that lie beside its code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.servers import mysqlclient
from tests.servers.packages import CannotInstall

HERE = Path(__file__).parent
BENCH = HERE.parents[1] / ".bench"
UV = Path(sys.executable).with_name("uv")


class Home(Protocol):
    """What differs between Python and Node."""

    def install(self) -> None: ...

    def versions(self) -> dict[str, str]: ...

    def command(self, words: Sequence[str]) -> list[str]:
        """The words, with the program where it is."""

    def settings(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class PythonHome:
    """A virtual environment, of the Python for which mysqlclient was built."""

    name: str
    tells: tuple[str, ...]
    """The packages whose versions matter."""

    def install(self) -> None:
        mysqlclient.install_mysqlclient()
        lock, stamp = _code(self.name) / "requirements.txt", BENCH / self.name / "installed.txt"
        if _same(lock, stamp):
            return
        print(f"Installing {self.name} into .bench", flush=True)
        shutil.rmtree(BENCH / self.name, ignore_errors=True)
        _run(UV, "venv", "--quiet", "--python", sys.executable, BENCH / self.name)
        how = ("--quiet", "--compile-bytecode", "--require-hashes")
        _run(UV, "pip", "install", *how, "--python", self._bin / "python", "-r", lock)
        shutil.copy(lock, stamp)

    def versions(self) -> dict[str, str]:
        listed = json.loads(_run(UV, "pip", "list", "--python", self._bin / "python", "--format", "json"))
        return {package["name"]: package["version"] for package in listed if package["name"] in self.tells}

    def command(self, words: Sequence[str]) -> list[str]:
        return [str(self._bin / words[0]), *words[1:]]

    def settings(self) -> dict[str, str]:
        """The application and the driver are found by their paths."""
        driver = mysqlclient.environment()
        return {**driver, "PYTHONPATH": os.pathsep.join((str(_code(self.name)), driver["PYTHONPATH"]))}

    @property
    def _bin(self) -> Path:
        return BENCH / self.name / "bin"


@dataclass(frozen=True)
class NodeHome:
    """A folder with a copy of the application, since Node looks for modules beside the file that imports them."""

    name: str
    tells: tuple[str, ...]

    def install(self) -> None:
        folder = BENCH / self.name
        shutil.copytree(_code(self.name), folder, dirs_exist_ok=True)
        wanted, stamp = folder / "package.json", folder / "node_modules" / "installed.json"
        if _same(wanted, stamp):
            return
        print(f"Installing {self.name} into .bench", flush=True)
        how = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
        _run("npm", "install", *how, "--prefix", folder)
        shutil.copy(wanted, stamp)

    def versions(self) -> dict[str, str]:
        modules = BENCH / self.name / "node_modules"
        told = {name: json.loads((modules / name / "package.json").read_text())["version"] for name in self.tells}
        return {**told, "node": _run("node", "--version").strip().removeprefix("v")}

    def command(self, words: Sequence[str]) -> list[str]:
        program, script, *rest = words
        return [shutil.which(program) or program, str(BENCH / self.name / script), *rest]

    def settings(self) -> dict[str, str]:
        return {"NODE_ENV": "production"}


def _code(name: str) -> Path:
    return HERE / f"{name.replace('-', '_')}_app"


def _same(wanted: Path, stamp: Path) -> bool:
    return stamp.exists() and stamp.read_text() == wanted.read_text()


def _run(*words: str | Path) -> str:
    try:
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CannotInstall(f"A peer needs {words[0]}, which is not here.") from None
    if done.returncode:
        raise CannotInstall(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout
