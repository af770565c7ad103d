"""The pages behind the links: in the reader's language, of one piece, and without effect until their button is pressed.

Programs that open links in mails (scanners, previews) press no button.
"""

import base64
import json
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Response, make_response, render_template

from flaskauth.foundation import crypto
from flaskauth.foundation.current import settings
from flaskauth.foundation.http import preferred_language
from flaskauth.mail.rendering import RIGHT_TO_LEFT, languages


def page(purpose: str) -> Response:
    """The page of one purpose."""
    locale = preferred_language(languages())
    words = _words()[locale]
    response = make_response(
        render_template(
            "recovery.html",
            app_name=settings().app_name,
            locale=locale,
            direction="rtl" if locale in RIGHT_TO_LEFT else "ltr",
            words={**words["both"], **words[purpose]},
            script=_asset("page.js"),
            style=_asset("page.css"),
        )
    )
    response.headers["Content-Security-Policy"] = _policy()
    response.headers["Content-Language"] = locale
    response.headers["Vary"] = "Accept-Language"
    return response


@cache
def _policy() -> str:
    """Only what stands in the page itself runs and shows, and it talks to this server only."""
    script, style = (f"'sha256-{_digest(_asset(name))}'" for name in ("page.js", "page.css"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


@cache
def _asset(name: str) -> str:
    return files("flaskauth.recovery").joinpath("static", name).read_text(encoding="utf-8")


@cache
def _words() -> dict[str, Any]:
    text = files("flaskauth.recovery").joinpath("words.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _digest(text: str) -> str:
    return base64.b64encode(crypto.sha256(text.encode())).decode()
