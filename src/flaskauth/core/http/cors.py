"""CORS for the origins in CORS_ORIGINS, which must match exactly.

Credentials are not allowed: the API uses bearer tokens, not cookies or other credentials that browsers send themselves.
"""

import re

from flask import Flask, Response
from flask_cors import CORS

from flaskauth.settings import Settings

# Browser agents of tracing and error monitoring services add the other headers to each request of a page.
ALLOWED_HEADERS = [
    *("Authorization", "Content-Type", "X-Request-ID", "X-Requested-With", "Cache-Control", "Pragma"),
    *("traceparent", "tracestate", "baggage", "b3", "x-b3-.*", "sentry-trace", "x-datadog-.*", "x-amzn-trace-id"),
    *("x-cloud-trace-context", "elastic-apm-traceparent", "newrelic", "uber-trace-id", "request-id", "request-context"),
]
EXPOSED_HEADERS = ["Retry-After", "X-Request-ID"]
PREFLIGHT_MAX_AGE = 600  # seconds


def init_app(app: Flask, settings: Settings) -> None:
    """Enable CORS if CORS_ORIGINS is set."""
    if not settings.cors_origins:
        return
    app.after_request(_add_vary_origin)
    CORS(
        app,
        # Escaped patterns: Flask-CORS takes an origin with brackets, such as an IPv6 address, for a pattern.
        origins=[re.compile(rf"{re.escape(origin)}\Z") for origin in settings.cors_origins],
        allow_headers=ALLOWED_HEADERS,
        expose_headers=EXPOSED_HEADERS,
        max_age=PREFLIGHT_MAX_AGE,
        always_send=False,  # else a request without Origin would receive the list of all origins
        vary_header=False,
    )


def response_headers(settings: Settings, origin: str) -> list[tuple[str, str]]:
    """Return the CORS headers of a response that is sent without Flask, to a page of this origin."""
    if origin not in settings.cors_origins:
        return []
    return [("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", ", ".join(EXPOSED_HEADERS))]


def _add_vary_origin(response: Response) -> Response:
    """Set Vary on each response: a cache must not serve a response without CORS headers to an allowed origin."""
    response.vary.add("Origin")
    return response
