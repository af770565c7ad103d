"""Locate the server programs: those of the system, or those that `install` unpacked into the project."""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

BUNDLED_ROOT = Path(__file__).parents[2] / ".servers" / "root"
SYSTEM_PATH = (*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin")


class ServerNotFoundError(LookupError):
    """A server that the tests need is neither on the system nor in the project."""


@dataclass(frozen=True)
class Binaries:
    mariadbd: Path
    mariadb_dump: Path
    redis_server: Path
    nginx: Path
    zsh: Path
    system_tables: tuple[Path, ...]
    """The SQL files of MariaDB that fill an empty data folder."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def basedir(self) -> Path:
        return self.mariadbd.resolve().parents[1]

    @property
    def library_path(self) -> dict[str, str]:
        """The variable that locates the libraries of unpacked programs."""
        return {name: value for name, value in self.environment.items() if name == "LD_LIBRARY_PATH"}

    @property
    def share(self) -> Path:
        return self.system_tables[0].parent


def find_binaries() -> Binaries:
    """Return the programs on PATH, else those in the project. TEST_SERVERS=own ignores the system's.

    Raises:
        ServerNotFoundError
    """
    binaries = None if os.environ.get("TEST_SERVERS") == "own" else _find_in(SYSTEM_PATH)
    binaries = binaries or bundled_binaries()
    if binaries is None:
        raise ServerNotFoundError(
            "MariaDB (mariadbd), Redis (redis-server), nginx or zsh is missing. `make test` installs them."
        )
    return binaries


def bundled_binaries(root: Path = BUNDLED_ROOT) -> Binaries | None:
    """Return the programs that are unpacked in a folder, with the environment in which they find their libraries."""
    libraries = [root / "lib", root / "usr/lib", *root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*")]
    path = os.pathsep.join(str(folder) for folder in libraries)
    return _find_in((f"{root}/usr/sbin", f"{root}/usr/bin"), {**os.environ, "LD_LIBRARY_PATH": path})


def _find_in(folders: Iterable[str], environment: Mapping[str, str] | None = None) -> Binaries | None:
    path = os.pathsep.join(folders)
    mariadbd = shutil.which("mariadbd", path=path)
    mariadb_dump = shutil.which("mariadb-dump", path=path)
    redis_server = shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)
    nginx, zsh = shutil.which("nginx", path=path), shutil.which("zsh", path=path)
    tables = _system_tables(Path(mariadbd)) if mariadbd else ()
    if not (mariadbd and mariadb_dump and redis_server and nginx and zsh and tables):
        return None
    programs = Path(mariadbd), Path(mariadb_dump), Path(redis_server), Path(nginx), Path(zsh)
    return Binaries(*programs, tables, environment or dict(os.environ))


def _system_tables(mariadbd: Path) -> tuple[Path, ...]:
    """Find the files, which are named mysql_... up to MariaDB 10 and mariadb_... since, in a folder of either name."""
    share = mariadbd.resolve().parents[1] / "share"
    for name in ("mariadb", "mysql"):
        files = [next(share.glob(f"m*/{name}_{part}.sql"), None) for part in ("system_tables", "system_tables_data")]
        if all(files):
            return tuple(file for file in files if file)
    return ()
