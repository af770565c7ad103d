"""Locate the programs of a Galera cluster: those of the system, or those that were unpacked into the project."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.binaries import BUNDLED_ROOT, SYSTEM_PATH, ServerNotFoundError

BUNDLED_CLUSTER_ROOT = BUNDLED_ROOT.parent / "galera"
PROVIDER_FOLDERS = ("usr/lib/galera", "usr/lib64/galera-4", "usr/lib/galera-4")


@dataclass(frozen=True)
class ClusterTools:
    provider: Path
    haproxy: Path
    environment: Mapping[str, str]


def find_cluster_tools() -> ClusterTools:
    tools = None if os.environ.get("TEST_SERVERS") == "own" else _find_in(Path("/"), os.pathsep.join(SYSTEM_PATH))
    tools = tools or bundled_cluster_tools()
    if tools is None:
        raise ServerNotFoundError(
            "Galera, rsync or haproxy is missing. `make test-slow SUITE=chaos-galera` installs them."
        )
    return tools


def bundled_cluster_tools(root: Path = BUNDLED_CLUSTER_ROOT) -> ClusterTools | None:
    """Return the programs that are unpacked in a folder, with the environment in which they find their libraries."""
    programs = os.pathsep.join([f"{root}/usr/sbin", f"{root}/usr/bin", f"{root}/bin", f"{root}/sbin", *SYSTEM_PATH])
    libraries = [
        folder for each in (root, BUNDLED_ROOT) for folder in (*each.glob("usr/lib/*-*"), *each.glob("lib/*-*"))
    ]
    return _find_in(root, programs, LD_LIBRARY_PATH=os.pathsep.join(map(str, libraries)))


def _find_in(root: Path, programs: str, **settings: str) -> ClusterTools | None:
    provider = next((root / f for f in PROVIDER_FOLDERS if (root / f / "libgalera_smm.so").exists()), None)
    programs_found = [shutil.which(name, path=programs) for name in ("haproxy", "rsync", "wsrep_sst_rsync")]
    if provider is None or not all(programs_found):
        return None
    environment = {**os.environ, "PATH": programs, **settings}
    return ClusterTools(provider / "libgalera_smm.so", Path(str(programs_found[0])), environment)
