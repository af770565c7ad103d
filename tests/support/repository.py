"""The files of the project, in a git repository and in an unpacked source archive."""

import os
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def list_files(folder: str = ".") -> list[str]:
    """Return the files of a folder, relative to ROOT, without those that `.gitignore` lists."""
    names = []
    for parent, folders, files in os.walk(ROOT / folder):
        relative = os.path.relpath(parent, ROOT)
        folders[:] = [name for name in folders if not _is_ignored(relative, f"{name}/")]
        names += [os.path.normpath(f"{relative}/{name}") for name in files if not _is_ignored(relative, name)]
    return sorted(names)


def _is_ignored(folder: str, name: str) -> bool:
    """Return True if a pattern matches the name, which ends in a slash for a folder, or the path from ROOT."""
    path = os.path.normpath(f"{folder}/{name}")
    candidates = {name, name.rstrip("/"), f"/{path}", f"/{path}/"}
    return any(fnmatch(candidate, pattern) for pattern in _ignored_patterns() for candidate in candidates)


@cache
def _ignored_patterns() -> tuple[str, ...]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return (".git", *(line for line in lines if line and not line.startswith("#")))
