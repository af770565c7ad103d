"""Read users from a CSV or JSON Lines file, row by row. An error in one row does not stop the next."""

import csv
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import orjson

MAX_LINE_LENGTH = 1024 * 1024  # bytes
CSV, JSON_LINES = "csv", "jsonl"
FORMAT_BY_SUFFIX = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}
BOM = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class UnreadableFile(Exception):
    """The file as a whole cannot be read in the expected format."""


@dataclass(frozen=True)
class Row:
    """The text and the fields of a row, or the reason why it cannot be parsed."""

    line: int
    text: str
    fields: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None


class LineReader:
    """Iterates over the lines of a stream and remembers those of the current row.

    Invalid UTF-8 is decoded with `surrogateescape`, so that the rejects file gets the same bytes.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._pushed_back: deque[str] = deque()
        self._row_lines: list[str] = []
        self.bytes_read = 0
        self.line_number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._pushed_back.popleft() if self._pushed_back else self._read()
        self.line_number += 1
        self._row_lines.append(line)
        return line

    def begin_row(self) -> None:
        self._row_lines = []

    def build_row(self, fields: Mapping[str, object] | None = None, error: str | None = None) -> Row:
        """Return a row of the lines read since `begin_row`."""
        text = "".join(self._row_lines)
        if not _is_utf8(text):
            error = "is not UTF-8"
        return Row(self.line_number - len(self._row_lines) + 1, text, fields or {}, error)

    def push_back_rest(self) -> None:
        """Push back all lines of the row except the first, so that they are read again."""
        first, *rest = self._row_lines
        self._pushed_back.extendleft(reversed(rest))
        self._row_lines, self.line_number = [first], self.line_number - len(rest)

    def _read(self) -> str:
        raw = self._stream.readline(MAX_LINE_LENGTH + 1)
        if not raw:
            raise StopIteration
        if len(raw) > MAX_LINE_LENGTH:
            raise UnreadableFile(f"Line {self.line_number + 1} is longer than 1 MB.")
        if self.bytes_read == 0 and raw.startswith(UTF_16):
            raise UnreadableFile("The file is UTF-16. Save it as UTF-8.")
        text = (raw.removeprefix(BOM) if self.bytes_read == 0 else raw).decode("utf-8", "surrogateescape")
        self.bytes_read += len(raw)
        return text


class RowReader:
    """Iterates over the rows of a file. `columns` collects the names of the columns."""

    def __init__(self, stream: BinaryIO, file_format: str) -> None:
        self.lines = LineReader(stream)
        self.file_format = file_format
        self.header = ""
        self.columns: set[str] = set()

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            UnreadableFile
        """
        yield from self._read_csv() if self.file_format == CSV else self._read_json()
        if not self.lines.line_number:
            raise UnreadableFile("The file is empty.")

    def _read_json(self) -> Iterator[Row]:
        for text in self.lines:
            if self.lines.line_number == 1 and text.startswith("["):
                raise UnreadableFile(
                    "The file is one JSON array. Write one object per line, for example with jq -c '.[]'."
                )
            if text.strip():
                row = self.lines.build_row(*_parse_object(text))
                self.columns.update(row.fields)
                yield row
            self.lines.begin_row()

    def _read_csv(self) -> Iterator[Row]:
        names = self._read_header()
        reader = csv.reader(self.lines, strict=True)
        while True:
            self.lines.begin_row()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error:
                self.lines.push_back_rest()
                yield self.lines.build_row(error="has unbalanced quotes")
                reader = csv.reader(self.lines, strict=True)
                continue
            if values:
                yield self.lines.build_row(*_to_fields(names, values))

    def _read_header(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            UnreadableFile: the first line is not a header with an email column.
        """
        try:
            names = [name.strip().lower() for name in next(csv.reader(self.lines, strict=True), [])]
        except csv.Error:
            raise UnreadableFile("The first line is not a CSV header.") from None
        header = self.lines.build_row()
        if header.text and (header.error or "email" not in names or len(set(names)) < len(names)):
            raise UnreadableFile(
                "The first line must be a header with unique, comma-separated column names. One must be email."
            )
        self.header, self.columns = header.text, set(names)
        return names


def _to_fields(names: list[str], values: list[str]) -> tuple[Mapping[str, object], str | None]:
    if len(values) != len(names):
        return {}, f"has {'more' if len(values) > len(names) else 'fewer'} columns than the header"
    return dict(zip(names, values, strict=True)), None


def _parse_object(text: str) -> tuple[Mapping[str, object], str | None]:
    if not _is_utf8(text):
        return {}, None
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, "is not JSON"
    return (parsed, None) if isinstance(parsed, dict) else ({}, "is not a JSON object")


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\udc80" <= char <= "\udcff" for char in text)
