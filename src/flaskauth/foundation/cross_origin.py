"""Which web pages of other origins may read answers: those that CORS_ORIGINS names, letter by letter, and no others.

Never with credentials: what a browser would send by itself, such as a cookie, opens nothing here.
"""

import re

from flask import Flask, Response
from flask_cors import CORS

from flaskauth.settings import Settings

SENT = ["Authorization", "Content-Type", "X-Request-ID"]
READ = ["Retry-After", "X-Request-ID"]
KEPT = 600  # seconds


def init_app(app: Flask, settings: Settings) -> None:
    """Answer to the pages of these origins, if there are any."""
    if not settings.cors_origins:
        return
    app.after_request(_vary)
    CORS(
        app,
        # As a pattern, or what has brackets, as IPv6 addresses have, would be taken for one.
        origins=[re.compile(rf"{re.escape(origin)}\Z") for origin in settings.cors_origins],
        allow_headers=SENT,
        expose_headers=READ,
        max_age=KEPT,
        always_send=False,  # else whoever names no origin is told all that there are
        vary_header=False,
    )


def _vary(response: Response) -> Response:
    """On every answer, also to those that name no origin: a cache must not give theirs to a page that may read it."""
    response.vary.add("Origin")
    return response
