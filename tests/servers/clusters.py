"""Where the programs of a cluster are: the machine's own, or those that were unpacked into the project."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.binaries import OWN, SYSTEM, Missing

OWN_CLUSTER = OWN.parent / "galera"
LIBRARIES = ("usr/lib/galera", "usr/lib64/galera-4", "usr/lib/galera-4")


@dataclass(frozen=True)
class ClusterTools:
    provider: Path
    haproxy: Path
    environment: Mapping[str, str]


def cluster_tools() -> ClusterTools:
    found = None if os.environ.get("TEST_SERVERS") == "own" else _in(Path("/"), os.pathsep.join(SYSTEM))
    found = found or own_cluster_tools()
    if found is None:
        raise Missing("Galera, rsync and haproxy are not here: `make faults-galera` installs them.")
    return found


def own_cluster_tools(root: Path = OWN_CLUSTER) -> ClusterTools | None:
    """Those unpacked under a folder, which find their libraries and each other there too."""
    programs = os.pathsep.join([f"{root}/usr/sbin", f"{root}/usr/bin", f"{root}/bin", f"{root}/sbin", *SYSTEM])
    libraries = [folder for each in (root, OWN) for folder in (*each.glob("usr/lib/*-*"), *each.glob("lib/*-*"))]
    return _in(root, programs, LD_LIBRARY_PATH=os.pathsep.join(map(str, libraries)))


def _in(root: Path, programs: str, **settings: str) -> ClusterTools | None:
    provider = next((root / f for f in LIBRARIES if (root / f / "libgalera_smm.so").exists()), None)
    there = [shutil.which(name, path=programs) for name in ("haproxy", "rsync", "wsrep_sst_rsync")]
    if provider is None or not all(there):
        return None
    environment = {**os.environ, "PATH": programs, **settings}
    return ClusterTools(provider / "libgalera_smm.so", Path(str(there[0])), environment)
