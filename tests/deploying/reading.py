"""The files in deploy/, as their programs read them."""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
OURS = "flaskauth:"
INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$", re.MULTILINE)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The services that are this project's."""
    return {name: told for name, told in compose()["services"].items() if told["image"].startswith(OURS)}


def instructions(name: str) -> list[str]:
    """What stands after each FROM, RUN or COPY of the Dockerfile, without line breaks."""
    joined = re.sub(r" *\\\n *", " ", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    return [told for found, told in INSTRUCTION.findall(joined) if found == name]
