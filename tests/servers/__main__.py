"""python -m tests.servers install: bring MariaDB and Redis, unless they are there."""

import sys

from tests.servers.install import CannotInstall, install


def main(words: list[str]) -> int:
    if words != ["install"]:
        print("usage: python -m tests.servers install", file=sys.stderr)
        return 2
    try:
        install()
    except CannotInstall as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
