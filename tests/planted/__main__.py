"""python -m tests.planted [WORD...]: plant bugs in a copy of the tree, one at a time; each must turn a test red.

A word chooses the bugs whose kind or file has it. Ends with 1 where a bug went unseen, or cannot be planted any more.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.planted.bugs import BUGS, Bug

ROOT = Path(__file__).parents[2]
LEFT_BEHIND = shutil.ignore_patterns(".*", "build", "dist", "instance", "__pycache__", "*.egg-info")
RED = re.compile(r"^(?:FAILED|ERROR) \S*?::(.+?)(?: - .*)?$", re.MULTILINE)
PYTEST = ["-m", "pytest", "-q", "-rfE", "--tb=no", "--show-capture=no", "-p", "no:cacheprovider"]
LONGEST = 300  # seconds


class Unplantable(Exception):
    """The place where the bug was to be planted reads otherwise by now, or nothing could be run."""


def copied(folder: Path) -> Path:
    """The tree, with the servers that the tests start."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_BEHIND)
    if (ROOT / ".servers").exists():
        (tree / ".servers").symlink_to(ROOT / ".servers")
    where = _python(tree, "-c", "import flaskauth; print(flaskauth.__file__)").stdout
    assert where.startswith(str(tree)), where
    return tree


def turned_red(tree: Path, tests: Iterable[str]) -> list[str]:
    """The tests that fail there."""
    done = _python(tree, *PYTEST, *tests)
    if done.returncode not in {0, 1}:
        raise Unplantable(f"pytest ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return RED.findall(done.stdout)


def planted(tree: Path, bug: Bug) -> list[str]:
    """The tests that saw the bug, which is gone afterwards."""
    file = tree / "src/flaskauth" / bug.file
    sound = file.read_text(encoding="utf-8")
    if sound.count(bug.old) != 1:
        raise Unplantable(f"{bug.file} has {sound.count(bug.old)} of:\n{bug.old}")
    file.write_text(sound.replace(bug.old, bug.new), encoding="utf-8")
    try:
        return turned_red(tree, bug.tests)
    finally:
        file.write_text(sound, encoding="utf-8")


def told(bug: Bug, tree: Path) -> bool:
    """Plant one and say what came of it; whether it was seen."""
    begun = time.monotonic()
    try:
        red = planted(tree, bug)
    except Unplantable as error:
        red, error_said = [], f": {error}"
    else:
        error_said = ""
    print(f"\n{bug.kind} ({bug.file}), {time.monotonic() - begun:.0f} s", flush=True)
    for test in red or [f"NOT SEEN{error_said}"]:
        print(f"    {test}", flush=True)
    return bool(red)


def main(words: Sequence[str]) -> int:
    chosen = [bug for bug in BUGS if not words or any(word in f"{bug.kind} {bug.file}" for word in words)]
    with TemporaryDirectory() as folder:
        tree = copied(Path(folder))
        if red := turned_red(tree, dict.fromkeys(test for bug in chosen for test in bug.tests)):
            print("red without any bug:", *red, sep="\n    ")
            return 1
        seen = [told(bug, tree) for bug in chosen]
    kinds = len({bug.kind for bug in chosen})
    print(f"\n{sum(seen)} of {len(chosen)} bugs, of {kinds} kinds, turned a test red")
    return 0 if chosen and all(seen) else 1


def _python(tree: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Python with the copy's modules, not with those that are installed."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
