"""Every text of the code has a translation in each language, with the same placeholders."""

import ast
import json
import re
import string
from collections.abc import Iterator
from typing import Any

from marshmallow import Schema
from tests.test_conventions import SRC, error_classes, find_calls, source_trees

from flaskauth.core.http.schemas import RequestSchema, ResponseSchema, fields
from flaskauth.core.http.uploads import UploadSchema
from flaskauth.core.translations import languages
from flaskauth.mail.templates import languages as mail_languages

CATALOGS: dict[str, dict[str, str]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (SRC / "core/translations").glob("*.json")
}


def test_every_language_has_every_text() -> None:
    assert sorted(CATALOGS) == sorted(languages()[1:]) == sorted(mail_languages()[1:])
    for language, catalog in CATALOGS.items():
        assert list(catalog) == list(CATALOGS["fr"]), language
        for text, translated in catalog.items():
            assert placeholders(text) == placeholders(translated), (language, text)
            assert translated.strip() == translated != "", (language, text)


def test_every_text_of_the_code_is_translated() -> None:
    found = (*class_texts(), *field_texts(), *literal_texts(), *template_texts())
    texts = {str(getattr(text, "template", text)) for text in found}
    constants = {node.value for _, tree in source_trees() for node in ast.walk(tree) if isinstance(node, ast.Constant)}

    assert texts - set(CATALOGS["fr"]) == set()
    assert set(CATALOGS["fr"]) - texts - constants == set()


def placeholders(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


def class_texts() -> Iterator[str]:
    """Yield the messages of errors and successful responses."""
    yield from (error.message for error in error_classes() if error.__module__.startswith("flaskauth"))
    for schema in schemas(ResponseSchema):
        if isinstance(message := schema._declared_fields["message"], fields.Constant):
            yield message.constant


def field_texts() -> Iterator[str]:
    """Yield the messages of the fields of requests, also those of marshmallow."""
    for schema in (*schemas(RequestSchema), *schemas(UploadSchema)):
        yield from schema().error_messages.values()
        for field in schema().fields.values():
            yield from field.error_messages.values()


def schemas(parent: type[Schema]) -> Iterator[type[Any]]:
    yield parent
    for child in parent.__subclasses__():
        if child.__module__.startswith("flaskauth"):
            yield from schemas(child)


def template_texts() -> Iterator[str]:
    """Yield the texts of the hosted pages: the arguments of `t`."""
    for path in SRC.glob("web/templates/pages/*.html"):
        yield from re.findall(r'\bt\("([^"]+)"', path.read_text(encoding="utf-8"))


def literal_texts() -> Iterator[str]:
    """Yield the texts that the code passes to errors, and the English texts with values."""
    for _, tree in source_trees():
        for name in ("ValidationError", "WeakPassword", "Text"):
            for call in find_calls(tree, name):
                yield from (str(node.value) for node in call.args[:1] if isinstance(node, ast.Constant))
        for call in find_calls(tree, "ValidationFailed"):
            lists = (node for node in ast.walk(call) if isinstance(node, ast.List))
            yield from (str(item.value) for node in lists for item in node.elts if isinstance(item, ast.Constant))
