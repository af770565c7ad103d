"""python -m tests.servers install: bring the servers of the tests, unless they are there.

install-mysqlclient: the driver mysqlclient. install-mysql: MySQL, and that driver.
install-galera: Galera and haproxy.
with-mysqlclient COMMAND: run it with that driver.
"""

import sys

from tests.servers.install import install
from tests.servers.install_galera import install_galera
from tests.servers.install_mysql import install_mysql
from tests.servers.mysqlclient import install_mysqlclient, run_with
from tests.servers.packages import CannotInstall

STEPS = {
    "install": (install,),
    "install-galera": (install, install_galera),
    "install-mysqlclient": (install_mysqlclient,),
    "install-mysql": (install_mysql, install_mysqlclient),
}


def main(words: list[str]) -> int:
    if words[:1] == ["with-mysqlclient"] and words[1:]:
        run_with(words[1:])
    if len(words) != 1 or words[0] not in STEPS:
        print(f"usage: python -m tests.servers {'|'.join(STEPS)}|with-mysqlclient COMMAND", file=sys.stderr)
        return 2
    try:
        for step in STEPS[words[0]]:
            step()
    except CannotInstall as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
