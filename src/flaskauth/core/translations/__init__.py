"""Translations of the texts in responses. A JSON file for each language maps the English text to its translation."""

import json
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Self

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

DEFAULT_LANGUAGE = "en"
RTL_LANGUAGES = {"ar", "dv", "fa", "he", "ps", "ug", "ur", "yi"}
MAX_HEADER_LENGTH = 1000  # characters of Accept-Language that are read; the rest is ignored


class Text(str):
    """An English text with values: `Text("{field} is required!", field="email")`. The template is translated."""

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, **values: object) -> Self:
        text = super().__new__(cls, template.format(**values))
        text.template, text.values = template, values
        return text

    def format(self, *_args: object, **_values: object) -> "Text":
        """Return the same object: marshmallow formats every message again."""
        return self


@cache
def languages() -> tuple[str, ...]:
    """Return the languages of the responses, English first."""
    names = (file.name for file in files(__name__).iterdir())
    return (DEFAULT_LANGUAGE, *sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


def select_language(accept_language: str, offered: Sequence[str]) -> str:
    """Return the offered language that the header prefers, else the first one. "pt-BR" matches "pt"."""
    return _select_language(accept_language[:MAX_HEADER_LENGTH], tuple(offered))


@lru_cache(maxsize=1024)
def _select_language(accept_language: str, offered: tuple[str, ...]) -> str:
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        full_tag = tag.lower().replace("_", "-")  # some clients send fr_FR
        for choice in (full_tag, full_tag.partition("-")[0]):
            if quality and choice in offered:
                return choice
    return offered[0]


def translate_body(body: Mapping[str, object], accept_language: str) -> tuple[Mapping[str, object], dict[str, str]]:
    """Return a response body with translated `message` and `errors`, and the headers to add.

    Texts without translation, such as those of a host application, stay as they are, without `Content-Language`.
    """
    language = select_language(accept_language, languages())
    message = body.get("message")
    is_known = isinstance(message, str) and _template(message) in _load_catalog(language)
    headers = {"Content-Language": language} if is_known else {}
    if language == DEFAULT_LANGUAGE:
        return body, headers
    translated = {name: _translate(body[name], language) for name in ("message", "errors") if name in body}
    return {**body, **translated}, headers


def translate(text: str, language: str) -> str:
    """Return the translation of a text. A text without one stays as it is."""
    translation = _load_catalog(language).get(_template(text))
    if translation is None:
        return text
    return translation.format(**text.values) if isinstance(text, Text) else translation


def text_direction(language: str) -> str:
    """Return the `dir` attribute of an HTML page."""
    return "rtl" if language in RTL_LANGUAGES else "ltr"


def _translate(value: object, language: str) -> object:
    """Translate a text, or the texts in lists and mappings."""
    if isinstance(value, str):
        return translate(value, language)
    if isinstance(value, Mapping):
        return {name: _translate(item, language) for name, item in value.items()}
    return [_translate(item, language) for item in value] if isinstance(value, list) else value


def _template(text: str) -> str:
    return text.template if isinstance(text, Text) else text


@cache
def _load_catalog(language: str) -> Mapping[str, str]:
    if language == DEFAULT_LANGUAGE:
        return {text: text for text in _load_catalog(languages()[1])}
    catalog: dict[str, str] = json.loads(files(__name__).joinpath(f"{language}.json").read_text(encoding="utf-8"))
    return catalog
