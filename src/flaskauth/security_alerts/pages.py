"""The pages that the links in mails open, in the user's language and without external resources.

A page changes nothing until its button is pressed, because mail scanners and previews also open links.
"""

import base64
import json
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from flask import Response, make_response, render_template

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.http.request import preferred_language
from flaskauth.mail.rendering import RTL_LANGUAGES

Translations: TypeAlias = dict[str, dict[str, dict[str, str]]]  # language, section, name of the text


def render_page(purpose: str) -> Response:
    """Return the page for links of this purpose, in the best accepted language."""
    locale = preferred_language(tuple(_load_translations()))
    translations = _load_translations()[locale]
    response = make_response(
        render_template(
            "security_alert.html",
            app_name=settings().app_name,
            locale=locale,
            direction="rtl" if locale in RTL_LANGUAGES else "ltr",
            text={**translations["common"], **translations[purpose]},
            script=_load_asset("page.js"),
            style=_load_asset("page.css"),
        )
    )
    response.headers["Content-Security-Policy"] = _content_security_policy()
    response.headers["Content-Language"] = locale
    response.headers["Vary"] = "Accept-Language"
    return response


@cache
def _content_security_policy() -> str:
    """Allow only the inline script and style of the page, and requests to this server."""
    script, style = (_csp_source(_load_asset(name)) for name in ("page.js", "page.css"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


@cache
def _load_asset(name: str) -> str:
    return files("flaskauth.security_alerts").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _load_translations() -> Translations:
    text = files("flaskauth.security_alerts").joinpath("translations.json").read_text(encoding="utf-8")
    translations: Translations = json.loads(text)
    return translations


def _csp_source(inline_text: str) -> str:
    digest = base64.b64encode(crypto.sha256(inline_text.encode())).decode()
    return f"'sha256-{digest}'"
