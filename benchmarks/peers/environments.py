"""The environments of the peers: each is installed in its own directory below .bench, with pinned versions."""

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
from tests.servers.packages import InstallError

from benchmarks.environment import BENCH_DIR

PEERS_DIR = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")


class PeerEnvironment(Protocol):
    """The operations that differ between Python and Node environments."""

    def install(self) -> None: ...

    def versions(self) -> dict[str, str]: ...

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return the command with the path of the installed program."""

    def settings(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class PythonEnvironment:
    """A virtual environment with the Python version for which mysqlclient was built."""

    name: str
    reported_packages: tuple[str, ...]
    """The packages whose versions the results list."""

    def install(self) -> None:
        mysqlclient.install_mysqlclient()
        lock, installed_copy = _app_dir(self.name) / "requirements.txt", BENCH_DIR / self.name / "installed.txt"
        if _is_installed(lock, installed_copy):
            return
        print(f"Installing {self.name} into .bench", flush=True)
        shutil.rmtree(BENCH_DIR / self.name, ignore_errors=True)
        _run(UV, "venv", "--quiet", "--python", sys.executable, BENCH_DIR / self.name)
        options = ("--quiet", "--compile-bytecode", "--require-hashes")
        _run(UV, "pip", "install", *options, "--python", self._bin / "python", "-r", lock)
        shutil.copy(lock, installed_copy)

    def versions(self) -> dict[str, str]:
        packages = json.loads(_run(UV, "pip", "list", "--python", self._bin / "python", "--format", "json"))
        return {
            package["name"]: package["version"] for package in packages if package["name"] in self.reported_packages
        }

    def command(self, arguments: Sequence[str]) -> list[str]:
        return [str(self._bin / arguments[0]), *arguments[1:]]

    def settings(self) -> dict[str, str]:
        """Put the application and the database driver on the Python path."""
        driver = mysqlclient.driver_environment()
        return {**driver, "PYTHONPATH": os.pathsep.join((str(_app_dir(self.name)), driver["PYTHONPATH"]))}

    @property
    def _bin(self) -> Path:
        return BENCH_DIR / self.name / "bin"


@dataclass(frozen=True)
class NodeEnvironment:
    """A copy of the application, because Node resolves modules relative to the importing file."""

    name: str
    reported_packages: tuple[str, ...]

    def install(self) -> None:
        directory = BENCH_DIR / self.name
        shutil.copytree(_app_dir(self.name), directory, dirs_exist_ok=True)
        package_file, installed_copy = directory / "package.json", directory / "node_modules" / "installed.json"
        if _is_installed(package_file, installed_copy):
            return
        print(f"Installing {self.name} into .bench", flush=True)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
        _run("npm", "install", *options, "--prefix", directory)
        shutil.copy(package_file, installed_copy)

    def versions(self) -> dict[str, str]:
        modules = BENCH_DIR / self.name / "node_modules"
        versions = {
            name: json.loads((modules / name / "package.json").read_text())["version"]
            for name in self.reported_packages
        }
        return {**versions, "node": _run("node", "--version").strip().removeprefix("v")}

    def command(self, arguments: Sequence[str]) -> list[str]:
        program, script, *rest = arguments
        return [shutil.which(program) or program, str(BENCH_DIR / self.name / script), *rest]

    def settings(self) -> dict[str, str]:
        return {"NODE_ENV": "production"}


def _app_dir(name: str) -> Path:
    return PEERS_DIR / f"{name.replace('-', '_')}_app"


def _is_installed(package_file: Path, installed_copy: Path) -> bool:
    return installed_copy.exists() and installed_copy.read_text() == package_file.read_text()


def _run(*command: str | Path) -> str:
    try:
        process = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InstallError(f"A peer needs {command[0]}, which is not installed.") from None
    if process.returncode:
        raise InstallError(f"{' '.join(map(str, command))}: {process.stderr.strip()}")
    return process.stdout
