"""Write rejected rows with the reasons to a private file. After the rows are fixed, it can be imported."""

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from flaskauth.user_admin.import_reader import CSV, Row

REJECT_COLUMNS = ("rejected_line", "rejected_reason")


def open_private(path: Path) -> BinaryIO:
    """Create or truncate a file that only its owner can read. Symbolic links are not followed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


class RejectsFile:
    """The rejects file, created with the first rejected row. Without a path, nothing is written."""

    def __init__(self, path: Path | None, file_format: str) -> None:
        self.path = path
        self._format = file_format
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def write(self, row: Row, reason: str, header: str) -> None:
        """Write the unchanged row after its line number and the reason."""
        if self.path is None:
            return
        if self._file is None:
            self._file = open_private(self.path)
            if self._format == CSV:
                self._write_line(",".join(REJECT_COLUMNS) + "," + header)
        self._write_line(f'{row.line},"{reason}",{row.text}' if self._format == CSV else _annotate(row, reason))

    def _write_line(self, text: str) -> None:
        assert self._file
        self._file.write(text.rstrip("\r\n").encode("utf-8", "surrogateescape") + b"\n")


def _annotate(row: Row, reason: str) -> str:
    """Return the object with the line number and reason prepended. Text that is not an object becomes a field."""
    annotation = dict(zip(REJECT_COLUMNS, (row.line, reason), strict=True))
    if not row.fields:
        text = row.text.encode("utf-8", "replace").decode()
        return orjson.dumps({**annotation, "rejected_text": text.rstrip("\r\n")}).decode()
    return f"{orjson.dumps(annotation).decode()[:-1]},{row.text.strip()[1:]}"
