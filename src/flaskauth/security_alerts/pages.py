"""The pages that the links in mails open, in the user's language and without external resources.

A page changes nothing until its button is pressed, because mail scanners and previews also open links.
"""

import base64
from functools import cache
from importlib.resources import files

from flask import Response, make_response, render_template

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.http.pages import STYLE
from flaskauth.core.http.request import preferred_language
from flaskauth.core.translations import Text, languages, text_direction, translate
from flaskauth.one_time_codes import links

COMMON_TEXTS = {
    "ignore_hint": Text("If this was you, close this page. Nothing will change."),
    "success_title": Text("Done"),
    "success_text": Text(
        "All devices are signed out. Now set a new password: choose “Forgot password” where you usually sign in."
        " Until then, you cannot sign in."
    ),
    "invalid_title": Text("This link is no longer valid"),
    "invalid_text": Text(
        "It was already used or has expired. If you can't sign in, choose “Forgot password” where you usually sign in."
    ),
    "error_title": Text("Something went wrong"),
    "retry": Text("Try again"),
    "noscript": Text("This page needs JavaScript."),
}
TEXTS = {
    links.REVERT_EMAIL_CHANGE: {
        "title": Text("Keep your email address"),
        "question": Text(
            "Someone asked to change the email address of your account. If this wasn't you, keep this address."
            " All devices are then signed out, and you set a new password."
        ),
        "confirm": Text("Keep this address"),
    },
    links.REPORT_SIGN_IN: {
        "title": Text("Was this you?"),
        "question": Text(
            "The mail says what happened in your account. If this wasn't you, tell us. All devices are then signed out,"
            " later changes to your email address and second factors are undone, and you set a new password."
        ),
        "confirm": Text("This wasn't me"),
    },
    links.CANCEL_FACTOR_RESET: {
        "title": Text("Keep your second factors"),
        "question": Text(
            "Someone who knows your password asked to remove the second factors of your account. If this wasn't you,"
            " keep them."
        ),
        "confirm": Text("Keep my second factors"),
        "success_text": Text("Your second factors are kept. Now sign in and change your password: someone knows it."),
    },
}


def render_page(purpose: str) -> Response:
    """Return the page for links of this purpose, in the best accepted language."""
    locale = preferred_language(languages())
    texts = {**COMMON_TEXTS, **TEXTS[purpose]}
    response = make_response(
        render_template(
            "security_alert.html",
            app_name=settings().app_name,
            locale=locale,
            direction=text_direction(locale),
            text={name: translate(text, locale) for name, text in texts.items()},
            script=_load_asset("page.js"),
            style=STYLE,
        )
    )
    response.headers["Content-Security-Policy"] = _content_security_policy()
    response.headers["Content-Language"] = locale
    response.headers["Vary"] = "Accept-Language"
    return response


@cache
def _content_security_policy() -> str:
    """Allow only the inline script and style of the page, and requests to this server."""
    script, style = _csp_source(_load_asset("page.js")), _csp_source(STYLE)
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


@cache
def _load_asset(name: str) -> str:
    return files("flaskauth.security_alerts").joinpath("static", name).read_text(encoding="utf-8")


def _csp_source(inline_text: str) -> str:
    digest = base64.b64encode(crypto.sha256(inline_text.encode())).decode()
    return f"'sha256-{digest}'"
