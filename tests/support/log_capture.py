"""Capture the JSON lines that the server logs."""

import io
import json
from typing import Any


class LogCapture(io.StringIO):
    """A replacement for standard error, which an application opens when it is created."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().split("\n") if line]

    def events_named(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == name]
