"""Run mutation tests: `python -m tests.mutation [WORD...]`.

Applies each mutant to a copy of the repository, one at a time, and runs the tests it names; at least one must fail. A
word selects the mutants whose kind or file contains it. Exits with 1 if a mutant survives or can no longer be applied.
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

from tests.mutation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
IGNORED_FILES = shutil.ignore_patterns(".*", "build", "dist", "instance", "__pycache__", "*.egg-info")
FAILED_TEST = re.compile(r"^(?:FAILED|ERROR) \S*?::(.+?)(?: - .*)?$", re.MULTILINE)
PYTEST = ["-m", "pytest", "-q", "-rfE", "--tb=no", "--show-capture=no", "-p", "no:cacheprovider"]
TIMEOUT = 300  # seconds


class MutantError(Exception):
    """The mutant's original code has changed, or pytest could not run."""


def copy_tree(folder: Path) -> Path:
    """Copy the repository, link the test servers' installation, and check that Python imports the copy."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=IGNORED_FILES)
    if (ROOT / ".servers").exists():
        (tree / ".servers").symlink_to(ROOT / ".servers")
    imported = _python(tree, "-c", "import flaskauth; print(flaskauth.__file__)").stdout
    assert imported.startswith(str(tree)), imported
    return tree


def failing_tests(tree: Path, tests: Iterable[str]) -> list[str]:
    """Run the tests in the copy and return the names of those that fail."""
    result = _python(tree, *PYTEST, *tests)
    if result.returncode not in {0, 1}:
        raise MutantError(f"pytest exited with {result.returncode}:\n{result.stdout[-2000:]}")
    return FAILED_TEST.findall(result.stdout)


def tests_killing(tree: Path, mutant: Mutant) -> list[str]:
    """Apply the mutant, return the tests that fail, and restore the file."""
    file = tree / "src/flaskauth" / mutant.file
    original = file.read_text(encoding="utf-8")
    if original.count(mutant.old) != 1:
        raise MutantError(f"{mutant.file} contains {original.count(mutant.old)} times:\n{mutant.old}")
    file.write_text(original.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return failing_tests(tree, mutant.tests)
    finally:
        file.write_text(original, encoding="utf-8")


def run_mutant(mutant: Mutant, tree: Path) -> bool:
    """Run one mutant and print the result. Return True if a test failed."""
    started_at = time.monotonic()
    try:
        failed, note = tests_killing(tree, mutant), ""
    except MutantError as error:
        failed, note = [], f": {error}"
    print(f"\n{mutant.kind} ({mutant.file}), {time.monotonic() - started_at:.0f} s", flush=True)
    for test in failed or [f"SURVIVED{note}"]:
        print(f"    {test}", flush=True)
    return bool(failed)


def main(words: Sequence[str]) -> int:
    """Run the selected mutants and return the exit status."""
    selected = [
        mutant for mutant in MUTANTS if not words or any(word in f"{mutant.kind} {mutant.file}" for word in words)
    ]
    with TemporaryDirectory() as folder:
        tree = copy_tree(Path(folder))
        if failed := failing_tests(tree, dict.fromkeys(test for mutant in selected for test in mutant.tests)):
            print("Failing without any mutant:", *failed, sep="\n    ")
            return 1
        results = [run_mutant(mutant, tree) for mutant in selected]
    kinds = len({mutant.kind for mutant in selected})
    print(f"\n{sum(results)} of {len(selected)} mutants, of {kinds} kinds, killed")
    return 0 if selected and all(results) else 1


def _python(tree: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with the modules of the copy instead of the installed ones."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
