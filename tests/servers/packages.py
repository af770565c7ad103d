"""Debian's packages, unpacked into a folder: no root, nothing changed outside of it."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


class CannotInstall(Exception):
    """What is missing, and nothing here can bring it: what to do."""


class Failed(Exception):
    """What a command said."""


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Where a command fails, say what to do."""
    try:
        yield
    except Failed as problem:
        raise CannotInstall(f"{advice} ({problem}).") from None


@contextmanager
def unpacked(beside: Path, *packages: str, **settings: Path) -> Iterator[Path]:
    """A folder with the files of these packages and of what they need, which goes unless it is moved away.

    The machine's own package sources are asked, unless settings of apt name others (with _ for ::).
    """
    beside.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=beside.parent) as name:
        folder = Path(name)
        for archive in _download(folder, packages, settings):
            run("dpkg-deb", "-x", str(archive), str(folder / "root"))
        yield folder / "root"


def _download(folder: Path, packages: tuple[str, ...], settings: Mapping[str, Path]) -> list[Path]:
    archives = folder / "archives"
    for needed in (folder / "lists/partial", archives / "partial"):
        needed.mkdir(parents=True)
    all_settings: dict[str, object] = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
        **{name.replace("_", "::"): value for name, value in settings.items()},
    }
    options = [word for key, setting in all_settings.items() for word in ("-o", f"{key}={setting}")]
    succeeds("apt-get", *options, "update")
    run("apt-get", *options, "install", "-y", "--download-only", "--reinstall", "--no-install-recommends", *packages)
    return sorted(archives.glob("*.deb"))


def succeeds(*command: str) -> bool:
    with suppress(Failed):
        run(*command)
        return True
    return False


def run(*command: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a command says that succeeds."""
    plain = {**environment, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, env=plain, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise Failed(f"{Path(command[0]).name} said: {last}")
    return done.stdout
