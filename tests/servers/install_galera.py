"""Install Galera and haproxy with apt as root, else unpack the packages into the project."""

import shutil
from contextlib import suppress

from tests.servers.binaries import ServerNotFoundError
from tests.servers.cluster_tools import BUNDLED_CLUSTER_ROOT, ClusterTools, bundled_cluster_tools, find_cluster_tools
from tests.servers.install import install_with_apt
from tests.servers.packages import CommandError, InstallError, run, unpacked_packages, with_advice

# The full server package contains the scripts for state transfers between nodes, which need the other programs.
PACKAGES = ("mariadb-server", "galera-4", "rsync", "haproxy", "lsof", "iproute2", "socat")
ADVICE = (
    "The cluster tests need the full MariaDB server with wsrep_sst_rsync, Galera's libgalera_smm.so, rsync and"
    " haproxy. Install them and run this command again"
)


def install_galera() -> None:
    """Install the programs unless they exist.

    Raises:
        InstallError
    """
    with suppress(ServerNotFoundError):
        find_cluster_tools()
        return
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise InstallError(f"{ADVICE}.")
    print("Installing Galera and haproxy for the tests", flush=True)
    with with_advice(ADVICE):
        if not install_with_apt(find_cluster_tools, *PACKAGES):
            _unpack()


def _unpack() -> None:
    with unpacked_packages(BUNDLED_CLUSTER_ROOT, *PACKAGES) as root:
        _check(bundled_cluster_tools(root))
        shutil.rmtree(BUNDLED_CLUSTER_ROOT, ignore_errors=True)
        root.rename(BUNDLED_CLUSTER_ROOT)


def _check(tools: ClusterTools | None) -> None:
    if tools is None:
        raise CommandError("the packages of this system have an unknown layout")
    run(str(tools.haproxy), "-v", environment=tools.environment)
