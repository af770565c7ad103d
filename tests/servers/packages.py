"""Unpack Debian packages into a folder, without root and without changes elsewhere."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


class InstallError(Exception):
    """A package is missing and cannot be installed. The message contains the fix."""


class CommandError(Exception):
    """A command failed. The message is the last line of its errors."""


@contextmanager
def with_advice(advice: str) -> Iterator[None]:
    """Turn a CommandError into an InstallError with advice."""
    try:
        yield
    except CommandError as error:
        raise InstallError(f"{advice} ({error}).") from None


@contextmanager
def unpacked_packages(beside: Path, *packages: str, **settings: Path) -> Iterator[Path]:
    """Yield a folder with the files of the packages and their dependencies; it is deleted unless the caller moves it.

    The packages are from the sources of the system, unless apt settings (with _ for ::) name others.
    """
    beside.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=beside.parent) as name:
        folder = Path(name)
        for archive in _download(folder, packages, settings):
            run("dpkg-deb", "-x", str(archive), str(folder / "root"))
        yield folder / "root"


def _download(folder: Path, packages: tuple[str, ...], settings: Mapping[str, Path]) -> list[Path]:
    archives = folder / "archives"
    for directory in (folder / "lists/partial", archives / "partial"):
        directory.mkdir(parents=True)
    all_settings: dict[str, object] = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
        **{name.replace("_", "::"): value for name, value in settings.items()},
    }
    options = [option for key, setting in all_settings.items() for option in ("-o", f"{key}={setting}")]
    succeeds("apt-get", *options, "update")
    run("apt-get", *options, "install", "-y", "--download-only", "--reinstall", "--no-install-recommends", *packages)
    return sorted(archives.glob("*.deb"))


def succeeds(*command: str) -> bool:
    with suppress(CommandError):
        run(*command)
        return True
    return False


def run(*command: str, environment: Mapping[str, str] = os.environ) -> str:
    """Run a command and return its output.

    Raises:
        CommandError: the exit status is not 0.
    """
    plain_environment = {**environment, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    result = subprocess.run(
        command, env=plain_environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        last_line = (result.stderr.strip().splitlines() or ["no error message"])[-1]
        raise CommandError(f"{Path(command[0]).name}: {last_line}")
    return result.stdout
