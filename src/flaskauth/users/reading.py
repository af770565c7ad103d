"""Rows of people out of a file, one after the other; what is wrong with one row does not stop the next."""

import csv
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

LONGEST_LINE = 1024 * 1024  # bytes
CSV, JSON_LINES = "csv", "jsonl"
ENDINGS = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
BOM = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Unreadable(Exception):
    """The file as a whole is not what it is taken for."""


@dataclass(frozen=True)
class Row:
    """What stands in one row, as text and as fields; or why it cannot be read."""

    line: int
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


class Lines:
    """The lines of a stream, as text that can be turned back into the same bytes; what a row took is remembered."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._given_back: deque[str] = deque()
        self._taken: list[str] = []
        self.bytes_read = 0
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._read()
        self.number += 1
        self._taken.append(line)
        return line

    def begin_row(self) -> None:
        self._taken = []

    def row(self, fields: Mapping[str, Any] | None = None, fault: str | None = None) -> Row:
        """The row of the lines taken since it began."""
        text = "".join(self._taken)
        if not _is_utf8(text):
            fault = "is not UTF-8"
        return Row(self.number - len(self._taken) + 1, text, fields or {}, fault)

    def give_back_rest(self) -> None:
        """Have all but the row's first line come again."""
        first, *rest = self._taken
        self._given_back.extendleft(reversed(rest))
        self._taken, self.number = [first], self.number - len(rest)

    def _read(self) -> str:
        raw = self._stream.readline(LONGEST_LINE + 1)
        if not raw:
            raise StopIteration
        if len(raw) > LONGEST_LINE:
            raise Unreadable(f"Line {self.number + 1} is longer than a megabyte.")
        if self.bytes_read == 0 and raw.startswith(UTF_16):
            raise Unreadable("It is UTF-16. Save it as UTF-8.")
        text = (raw.removeprefix(BOM) if self.bytes_read == 0 else raw).decode("utf-8", "surrogateescape")
        self.bytes_read += len(raw)
        return text


class People:
    """The rows of a file, and what is known of it as a whole."""

    def __init__(self, stream: BinaryIO, form: str) -> None:
        self.lines = Lines(stream)
        self.form = form
        self.header = ""
        self.columns: set[str] = set()

    def __iter__(self) -> Iterator[Row]:
        """Each row.

        Raises:
            Unreadable
        """
        yield from self._of_csv() if self.form == CSV else self._of_json()
        if not self.lines.number:
            raise Unreadable("It is empty.")

    def _of_json(self) -> Iterator[Row]:
        for text in self.lines:
            if self.lines.number == 1 and text.startswith("["):
                raise Unreadable("It is one list. Write each object on a line of its own, as jq -c '.[]' does.")
            if text.strip():
                row = self.lines.row(*_object(text))
                self.columns.update(row.fields)
                yield row
            self.lines.begin_row()

    def _of_csv(self) -> Iterator[Row]:
        names = self._names()
        reader = csv.reader(self.lines, strict=True)
        while True:
            self.lines.begin_row()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error:
                self.lines.give_back_rest()
                yield self.lines.row(fault="has quotes that do not match")
                reader = csv.reader(self.lines, strict=True)
                continue
            if values:
                yield self.lines.row(*_columns(names, values))

    def _names(self) -> list[str]:
        """The columns' names.

        Raises:
            Unreadable: the first line is no header that says where the addresses are.
        """
        try:
            names = [name.strip().lower() for name in next(csv.reader(self.lines, strict=True), [])]
        except csv.Error:
            raise Unreadable("Its first line is no header of columns.") from None
        header = self.lines.row()
        if header.text and (header.fault or "email" not in names or len(set(names)) < len(names)):
            raise Unreadable("Its first line must name the columns, each once, with commas between; one is email.")
        self.header, self.columns = header.text, set(names)
        return names


def _columns(names: list[str], values: list[str]) -> tuple[Mapping[str, Any], str | None]:
    if len(values) != len(names):
        return {}, f"has {'more' if len(values) > len(names) else 'fewer'} columns than the first line"
    return dict(zip(names, values, strict=True)), None


def _object(text: str) -> tuple[Mapping[str, Any], str | None]:
    if not _is_utf8(text):
        return {}, None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, "is not JSON"
    return (found, None) if isinstance(found, dict) else ({}, "is not an object of JSON")


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in text)
