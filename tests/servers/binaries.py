"""Where the servers are: the machine's own, or those that the install step unpacked into the project."""

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

OWN = Path(__file__).parents[2] / ".servers" / "root"
SYSTEM = (*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin")


class Missing(LookupError):
    """A server that the tests need is on neither the machine nor in the project."""


@dataclass(frozen=True)
class Binaries:
    mariadbd: Path
    mariadb_dump: Path
    redis_server: Path
    nginx: Path
    system_tables: tuple[Path, ...]
    """The SQL that MariaDB ships to fill an empty data folder."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def basedir(self) -> Path:
        return self.mariadbd.resolve().parents[1]

    @property
    def share(self) -> Path:
        return self.system_tables[0].parent


def binaries() -> Binaries:
    """Those on PATH, then the project's own; TEST_SERVERS=own looks at the project's own only."""
    found = None if os.environ.get("TEST_SERVERS") == "own" else _in(SYSTEM)
    found = found or own()
    if found is None:
        raise Missing("MariaDB (mariadbd), Redis (redis-server) and nginx are not here: `make test` installs them.")
    return found


def own(root: Path = OWN) -> Binaries | None:
    """The servers unpacked under a folder, which find their libraries there too."""
    libraries = [root / "lib", root / "usr/lib", *root.glob("lib/*-linux-*"), *root.glob("usr/lib/*-linux-*")]
    path = os.pathsep.join(str(folder) for folder in libraries)
    return _in((f"{root}/usr/sbin", f"{root}/usr/bin"), {**os.environ, "LD_LIBRARY_PATH": path})


def _in(folders: Iterable[str], environment: Mapping[str, str] | None = None) -> Binaries | None:
    path = os.pathsep.join(folders)
    mariadbd = shutil.which("mariadbd", path=path)
    mariadb_dump = shutil.which("mariadb-dump", path=path)
    redis_server = shutil.which("redis-server", path=path) or shutil.which("valkey-server", path=path)
    nginx = shutil.which("nginx", path=path)
    tables = _system_tables(Path(mariadbd)) if mariadbd else ()
    if not (mariadbd and mariadb_dump and redis_server and nginx and tables):
        return None
    return Binaries(
        Path(mariadbd), Path(mariadb_dump), Path(redis_server), Path(nginx), tables, environment or dict(os.environ)
    )


def _system_tables(mariadbd: Path) -> tuple[Path, ...]:
    """The files are called mysql_... up to MariaDB 10 and mariadb_... after; they lie in a folder of either name."""
    share = mariadbd.resolve().parents[1] / "share"
    for name in ("mariadb", "mysql"):
        found = [next(share.glob(f"m*/{name}_{part}.sql"), None) for part in ("system_tables", "system_tables_data")]
        if all(found):
            return tuple(file for file in found if file)
    return ()
