"""The files of the git repository. Tests that need them are skipped in an unpacked source archive."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def list_files(*options: str) -> list[str]:
    """Return the existing files that `git ls-files` lists, relative to ROOT. Skip the test without git."""
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        pytest.skip("needs git and a repository")
    command = ["git", "ls-files", "-z", *options]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]
