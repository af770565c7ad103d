"""python -m tests.servers COMMAND

install: install MariaDB, Redis, nginx, zsh and Chromium unless they exist.
install-mysqlclient: build the mysqlclient driver. install-mysql: install MySQL and that driver.
install-galera: install Galera and haproxy.
with-mysqlclient COMMAND: run a command with that driver.
"""

import sys

from tests.servers.install import install
from tests.servers.install_chromium import install_chromium
from tests.servers.install_galera import install_galera
from tests.servers.install_mysql import install_mysql
from tests.servers.mysqlclient import exec_with_driver, install_mysqlclient
from tests.servers.packages import InstallError

STEPS = {
    "install": (install, install_chromium),
    "install-galera": (install, install_galera),
    "install-mysqlclient": (install_mysqlclient,),
    "install-mysql": (install_mysql, install_mysqlclient),
}


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["with-mysqlclient"] and arguments[1:]:
        exec_with_driver(arguments[1:])
    if len(arguments) != 1 or arguments[0] not in STEPS:
        print(f"usage: python -m tests.servers {'|'.join(STEPS)}|with-mysqlclient COMMAND", file=sys.stderr)
        return 2
    try:
        for step in STEPS[arguments[0]]:
            step()
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
