"""A copy of the repository, in which tests run the commands of the documentation."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.support.repository import ROOT, list_files


def copy_repository(folder: Path) -> None:
    """Copy the current files of the repository without ignored files."""
    for name in list_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def user_environment() -> Mapping[str, str]:
    """Return the environment variables that locate and configure installers."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in {"HOME", "PATH"} or name.startswith(("UV_", "PIP_", "SSL_"))
    }
