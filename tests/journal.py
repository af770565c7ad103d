"""What the server logs, read line by line."""

import io
import json
from typing import Any


class Journal(io.StringIO):
    """Everything that was logged by an application that was made while this stood in for standard error."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().split("\n") if line]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == name]
