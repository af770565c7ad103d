"""Parsed files of deploy/."""

import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE_PREFIX = "flaskauth:"
INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$", re.MULTILINE)


def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return parsed


def project_services() -> dict[str, dict[str, Any]]:
    """Return the compose services that run an image of this project."""
    return {name: spec for name, spec in compose()["services"].items() if spec["image"].startswith(IMAGE_PREFIX)}


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction of this name in the Dockerfile, without line breaks."""
    dockerfile = re.sub(r" *\\\n *", " ", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    return [arguments for instruction, arguments in INSTRUCTION.findall(dockerfile) if instruction == name]
