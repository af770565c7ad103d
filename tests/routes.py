"""The routes of an application, and a good body for each that takes one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from marshmallow import fields

from flaskauth.foundation.schemas import Form, Whole

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    access: str
    form: Form | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def required(self) -> list[str]:
        return [name for name, field in self._fields.items() if field.required]

    @property
    def texts(self) -> list[str]:
        """The fields that take text."""
        return [name for name, field in self._fields.items() if isinstance(field, fields.String)]

    def of_kind(self, *kinds: type[fields.Field[Any]]) -> list[str]:
        """The fields that are of these kinds."""
        return [name for name, field in self._fields.items() if isinstance(field, kinds)]

    @property
    def names(self) -> list[str]:
        return list(self._fields)

    def body(self, **changes: Any) -> dict[str, Any]:
        """A body with all that is required, and what is given besides."""
        good = {name: example_of(self._fields[name]) for name in self.required}
        return {**good, **changes}

    @property
    def _fields(self) -> dict[str, Any]:
        return dict(self.form.fields) if self.form else {}


def routes(app: Flask) -> Iterator[Route]:
    """Every route there is; what stands for a variable in its address is a 1."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        form = getattr(view, "_spec", {}).get("body")
        path = re.sub(r"<any\('([^']+)'.*?>|<[^>]+>", lambda found: found.group(1) or "1", rule.rule)
        for method in sorted((rule.methods or set()) & METHODS):
            yield Route(method, path, getattr(view, "access", "public"), form)


def routes_with_body(app: Flask) -> list[Route]:
    """Every route that takes a JSON object."""
    found = [route for route in routes(app) if isinstance(route.form, Form)]
    assert found
    return found


def example_of(field: Any) -> Any:
    """Something that the field takes."""
    return field.metadata.get("example", 1 if isinstance(field, Whole) else "x" * max(1, getattr(field, "least", 1)))
