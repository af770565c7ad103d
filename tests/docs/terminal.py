"""An interactive shell on a terminal, into which tests paste text."""

import os
import pty
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.servers.binaries import find_binaries

# Without configuration files and line editing. zsh is the default shell of macOS.
OPTIONS = {"bash": ("--norc", "--noediting", "-i"), "zsh": ("-f", "-i", "+Z")}


def paste(shell: str, text: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Paste the text into a shell, and return what the terminal shows until the shell exits."""
    binaries = find_binaries()
    program = binaries.zsh if shell == "zsh" else shell
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [program, *OPTIONS[shell]],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=folder,
        env={**environment, "TERM": "dumb", **binaries.library_path},
        start_new_session=True,
    ) as process:
        os.close(terminal)
        output = bytearray()
        reader = threading.Thread(target=_read, args=(controller, output))
        reader.start()
        for line in f"{text}\nexit 0\n".encode().splitlines(keepends=True):
            os.write(controller, line)
        process.wait(60)
        reader.join()
    os.close(controller)
    return output.decode(errors="replace").replace("\r\n", "\n")


def _read(terminal: int, output: bytearray) -> None:
    with suppress(OSError):  # the shell has closed the terminal
        while chunk := os.read(terminal, 65536):
            output += chunk
