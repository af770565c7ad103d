"""Where peers are installed: each in a folder of its own below .bench, by the locks that lie beside their code."""

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

HERE = Path(__file__).parent
BENCH = HERE.parents[1] / ".bench"
UV = Path(sys.executable).with_name("uv")


class Home(Protocol):
    """What differs between Python and Node."""

    def install(self) -> None: ...

    def versions(self) -> dict[str, str]: ...

    def command(self, words: Sequence[str]) -> list[str]:
        """The words, with their program where it is."""

    def settings(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class PythonHome:
    """A virtual environment, of the Python that mysqlclient was built for."""

    name: str
    tells: tuple[str, ...]
    """The packages whose versions matter."""

    @property
    def app(self) -> Path:
        return HERE / f"{self.name.replace('-', '_')}_app"

    @property
    def lock(self) -> Path:
        return self.app / "requirements.txt"

    def install(self) -> None:
        mysqlclient.install_mysqlclient()
        stamp = self._folder / self.lock.name
        if stamp.exists() and stamp.read_text() == self.lock.read_text():
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        _run(UV, "venv", "--quiet", "--python", sys.executable, self._folder)
        into = ("--python", self._bin / "python", "--require-hashes", "--compile-bytecode")
        _run(UV, "pip", "install", "--quiet", *into, "-r", self.lock)
        shutil.copy(self.lock, stamp)

    def versions(self) -> dict[str, str]:
        listed = json.loads(_run(UV, "pip", "list", "--python", self._bin / "python", "--format", "json"))
        return {package["name"]: package["version"] for package in listed if package["name"] in self.tells}

    def command(self, words: Sequence[str]) -> list[str]:
        return [str(self._bin / words[0]), *words[1:]]

    def settings(self) -> dict[str, str]:
        driver = mysqlclient.environment()
        return {**driver, "PYTHONPATH": os.pathsep.join((str(self.app), driver["PYTHONPATH"]))}

    @property
    def _folder(self) -> Path:
        return BENCH / self.name

    @property
    def _bin(self) -> Path:
        return self._folder / "bin"


@dataclass(frozen=True)
class NodeHome:
    """A folder with the application and its node_modules, because modules are looked for beside who imports them."""

    name: str
    tells: tuple[str, ...]

    def install(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        wanted = (self._app / "package.json").read_text()
        stamp = self._folder / "node_modules" / "installed.json"
        shutil.copytree(self._app, self._folder, dirs_exist_ok=True)
        if not stamp.exists() or stamp.read_text() != wanted:
            words = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
            _run("npm", *words, "--prefix", self._folder)
            stamp.write_text(wanted)

    def versions(self) -> dict[str, str]:
        packages = {name: self._folder / "node_modules" / name / "package.json" for name in self.tells}
        told = {name: json.loads(path.read_text())["version"] for name, path in packages.items()}
        return {**told, "node": _run("node", "--version").strip().removeprefix("v")}

    def command(self, words: Sequence[str]) -> list[str]:
        program = shutil.which(words[0])
        assert program, f"{words[0]} is not here"
        return [program, *(str(self._folder / word) if word.endswith(".js") else word for word in words[1:])]

    def settings(self) -> dict[str, str]:
        return {"NODE_ENV": "production"}

    @property
    def _app(self) -> Path:
        return HERE / f"{self.name.replace('-', '_')}_app"

    @property
    def _folder(self) -> Path:
        return BENCH / self.name


def _run(*words: str | Path) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
