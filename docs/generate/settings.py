""".env.example and the page of settings, from `Settings`."""

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from flaskauth.settings.values import SECTIONS

WIDTH = 120
ABOUT_EXAMPLE = """\
Every setting there is. Copy this file to .env, or set what you need in the environment, which wins.

What stands here after the equals sign is the default; where nothing does, there is none. An empty value means not set.
Any NAME can be given as NAME_FILE instead: the value is then read from that file (Docker and Kubernetes secrets).
What cannot be used, or an unknown name with the prefix FLASKAUTH_, is told at the start, all of them at once."""
ABOUT_PAGE = """\
# Settings

<!-- Made by `make docs` from src/flaskauth/settings/values.py. -->

Settings come from the environment and, where that says nothing, from a file `.env` in the working directory. (`flask
run` also takes one from the folders above, unless `FLASK_SKIP_DOTENV=1` is set.) An empty value means not set. Any
`NAME` can be given as `NAME_FILE` instead: the value is then read from that file, as Docker and Kubernetes hand out
secrets. A value that cannot be used, or an unknown name with the prefix `FLASKAUTH_`, keeps the server from starting;
every fault is told at once, without its value. [`flaskauth doctor`](../doctor.md) looks at them without starting."""
# Chosen for each installation: the default in the code is a stand-in until the environment has been read.
DERIVED = {"flaskauth_env", "public_url", "secret_key"}


def example() -> Iterator[str]:
    """`.env.example`: every setting with its default, commented out."""
    yield from (f"# {line}".rstrip() for line in ABOUT_EXAMPLE.splitlines())
    for section in SECTIONS:
        yield from ("", f"# --- {section.__doc__} ---")
        for name, field in section.model_fields.items():
            told = _told(field).replace("`", "")
            yield from ("", *(f"# {line}" for line in textwrap.wrap(told, WIDTH - 2, break_on_hyphens=False)))
            yield f"#{name.upper()}={_default(name, field)}"


def page() -> Iterator[str]:
    """The page of the documentation."""
    yield from ABOUT_PAGE.splitlines()
    for section in SECTIONS:
        schema = section.model_json_schema()["properties"]
        yield from ("", f"## {section.__doc__}", "", "| setting | value | unset | |", "|---|---|---|---|")
        for name, field in section.model_fields.items():
            default = _default(name, field)
            unset = f"`{default}`" if default else ""
            yield f"| `{name.upper()}` | {_kind(schema[name.upper()])} | {unset} | {_told(field)} |"


def _told(field: FieldInfo) -> str:
    assert field.description, "a setting without a word about it"
    return " ".join(field.description.split())


def _default(name: str, field: FieldInfo) -> str:
    if name in DERIVED or field.default in (None, ()):
        return ""
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def _kind(schema: dict[str, Any]) -> str:
    """What a value looks like, in words."""
    [schema, *_] = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "maximum" in schema:
        return _span(schema)
    return {"boolean": "`true` or `false`", "array": "a list", "integer": "a number"}.get(schema["type"], "text")


def _span(schema: dict[str, Any]) -> str:
    low = schema["minimum"] if "minimum" in schema else f"above {schema['exclusiveMinimum']:g}"
    return f"{low} to {schema['maximum']:.0f}"
