"""Check the page templates that replace those of the package: their names, syntax and variables."""

from functools import cache

from jinja2 import TemplateError, TemplateSyntaxError, meta

from flaskauth.mail import templates
from flaskauth.web import rendering


def find_errors() -> list[str]:
    """Return a message for each replaced template that has no effect or cannot be rendered."""
    replaced = templates.page_replacements()
    return [f"{path}: {reason}" for name, path in replaced.items() if (reason := _find_error(name))]


def _find_error(name: str) -> str | None:
    if name not in rendering.builtin_pages():
        return "replaces no page"
    environment = rendering.environment()
    try:
        environment.get_template(name)
        assert environment.loader
        source = environment.loader.get_source(environment, name)[0]
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except (TemplateError, UnicodeDecodeError) as error:
        return str(error)
    unknown = meta.find_undeclared_variables(environment.parse(source)) - _builtin_variables()
    return f"no page has the variable {min(unknown)}" if unknown else None


@cache
def _builtin_variables() -> frozenset[str]:
    """Return the variables of all pages of the package."""
    sources = map(rendering.environment().parse, rendering.builtin_pages().values())
    return frozenset().union(*map(meta.find_undeclared_variables, sources))
