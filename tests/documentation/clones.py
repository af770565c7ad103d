"""A copy of the project in which what the documentation says is typed."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.documentation.blocks import ROOT

WHAT_GIT_HAS = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")


def clone(folder: Path) -> None:
    """The project's files as they are now, without what make built."""
    names = subprocess.run(WHAT_GIT_HAS, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def own_tools() -> Mapping[str, str]:
    """What a user's shell knows of tools: where they are, and from where they install."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"HOME", "PATH"} or name.startswith(("UV_", "PIP_", "SSL_"))
    }
