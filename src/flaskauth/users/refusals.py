"""Rows that were refused, beside the reason, in a file for the operator alone: mended there, it can be imported."""

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson

from flaskauth.users.reading import CSV, Row

NOTE = ("refused_line", "refused_reason")


def private(path: Path) -> BinaryIO:
    """A new file, or an emptied one, that nobody else can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    os.fchmod(handle, 0o600)
    return os.fdopen(handle, "wb")


class Refusals:
    """The file, made once there is something to write; without a path nothing is."""

    def __init__(self, path: Path | None, form: str) -> None:
        self.path = path
        self._form = form
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def write(self, row: Row, reason: str, header: str) -> None:
        """One row as it stood, behind its line and the reason."""
        if self.path is None:
            return
        if self._file is None:
            self._file = private(self.path)
            if self._form == CSV:
                self._put(",".join(NOTE) + "," + header)
        self._put(f'{row.line},"{reason}",{row.text}' if self._form == CSV else _noted(row, reason))

    def _put(self, text: str) -> None:
        assert self._file
        self._file.write(text.rstrip("\r\n").encode("utf-8", "surrogateescape") + b"\n")


def _noted(row: Row, reason: str) -> str:
    """The object with two fields before its own; what is no object becomes a field."""
    note = dict(zip(NOTE, (row.line, reason), strict=True))
    if not row.fields:
        text = row.text.encode("utf-8", "replace").decode()
        return orjson.dumps({**note, "refused_text": text.rstrip("\r\n")}).decode()
    return f"{orjson.dumps(note).decode()[:-1]},{row.text.strip()[1:]}"
