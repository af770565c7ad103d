"""The routes of an application, with a valid body for each route that takes one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask
from marshmallow import fields
from werkzeug.routing import Rule

from flaskauth.core.http.schemas import RequestSchema, StrictInteger

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    access: str
    body_schema: RequestSchema | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def required_fields(self) -> list[str]:
        return [name for name, field in self._fields.items() if field.required]

    @property
    def text_fields(self) -> list[str]:
        return [name for name, field in self._fields.items() if isinstance(field, fields.String)]

    def fields_of_type(self, *kinds: type[fields.Field[Any]]) -> list[str]:
        return [name for name, field in self._fields.items() if isinstance(field, kinds)]

    def accepts(self, name: str, value: object) -> bool:
        """Return True if any value of this type is valid for the field."""
        field = self._fields[name]
        return isinstance(value, bool if isinstance(field, fields.Boolean) else dict) and isinstance(
            field, fields.Boolean | fields.Dict
        )

    @property
    def field_names(self) -> list[str]:
        return list(self._fields)

    def example_body(self, **changes: Any) -> dict[str, Any]:
        """Return a valid body with the required fields, overridden and extended by `changes`."""
        required = {name: example_value(self._fields[name]) for name in self.required_fields}
        return {**required, **changes}

    @property
    def _fields(self) -> dict[str, Any]:
        return dict(self.body_schema.fields) if self.body_schema else {}


def is_page(rule: Rule) -> bool:
    """Return True for a hosted page, which has a cookie and HTML instead of a token and JSON.

    The pages of links in mails are documented like the routes of the API, whose paths they have.
    """
    endpoint = str(rule.endpoint)
    return endpoint.startswith(("web.", "web_links.")) and not endpoint.startswith("web_links.get_")


def all_routes(app: Flask) -> Iterator[Route]:
    """Yield every route of the API. Variables in the path are replaced with their first choice, or with 1."""
    for rule in app.url_map.iter_rules():
        if is_page(rule):
            continue
        view = app.view_functions[rule.endpoint]
        body_schema = getattr(view, "_spec", {}).get("body")
        for method in sorted((rule.methods or set()) & METHODS):
            yield Route(method, example_path(rule), getattr(view, "access", "public"), body_schema)


def example_path(rule: Rule) -> str:
    """Return a path that the rule matches."""
    return re.sub(r"<any\('([^']+)'.*?>|<[^>]+>", lambda match: match.group(1) or "1", rule.rule)


def routes_with_json_body(app: Flask) -> list[Route]:
    routes = [route for route in all_routes(app) if isinstance(route.body_schema, RequestSchema)]
    assert routes
    return routes


def example_value(field: Any) -> Any:
    """Return a valid value of the field."""
    by_type = {StrictInteger: 1, fields.Boolean: True, fields.Dict: {}}
    default = next((value for kind, value in by_type.items() if isinstance(field, kind)), "x")
    return field.metadata.get("example", default)
