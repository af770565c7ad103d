"""Bring what a Galera cluster behind haproxy needs: by apt where one may, else unpacked into the project."""

import shutil
from contextlib import suppress

from tests.servers.binaries import Missing
from tests.servers.clusters import OWN_CLUSTER, ClusterTools, cluster_tools, own_cluster_tools
from tests.servers.install import by_apt
from tests.servers.packages import CannotInstall, Failed, advising, run, unpacked

# The whole server package: it has the scripts by which a node gets its state from another. They call the rest.
PACKAGES = ("mariadb-server", "galera-4", "rsync", "haproxy", "lsof", "iproute2", "socat")
ADVICE = (
    "The tests on a cluster need MariaDB's whole server with wsrep_sst_rsync, Galera's libgalera_smm.so, rsync and"
    " haproxy: install them and run this again"
)


def install_galera() -> None:
    """Unless it is there."""
    with suppress(Missing):
        cluster_tools()
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise CannotInstall(f"{ADVICE}.")
    print("Installing Galera and haproxy for the tests", flush=True)
    with advising(ADVICE):
        if not by_apt(cluster_tools, *PACKAGES):
            _unpack()


def _unpack() -> None:
    with unpacked(OWN_CLUSTER, *PACKAGES) as root:
        _check(own_cluster_tools(root))
        shutil.rmtree(OWN_CLUSTER, ignore_errors=True)
        root.rename(OWN_CLUSTER)


def _check(found: ClusterTools | None) -> None:
    if found is None:
        raise Failed("the packages of this system keep them in unknown places")
    run(str(found.haproxy), "-v", environment=found.environment)
