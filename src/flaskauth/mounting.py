"""The server inside an application of somebody else: it answers under a prefix, and guards routes that are not its own.

That application keeps its database, its JSON, its headers and its error pages; only our refusals look like ours.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from flask import Flask, Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flaskauth.foundation import current, jobs
from flaskauth.foundation.errors import Problem
from flaskauth.foundation.http import request_id
from flaskauth.foundation.server import refusal
from flaskauth.settings import Settings

PREFIX = re.compile(r"(/[\w.~-]+)+", re.ASCII)

log = structlog.get_logger(__name__)


def mount(app: Flask, server: Flask, prefix: str) -> None:
    """Have the server answer under a prefix of your application, and `auth_required` work on your routes.

    Set PUBLIC_URL to the address at which people reach that prefix, such as https://shop.example.com/accounts.

    Raises:
        ValueError: it cannot be mounted so; says why.
    """
    if fault := _fault(app, server, prefix):
        raise ValueError(fault)
    app.extensions[current.MOUNTED] = server
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {prefix: _rooted(server)})  # type: ignore[method-assign]
    app.register_error_handler(Problem, _refuse)
    # Mail must go out, whichever of the two is asked first.
    app.before_request(server.extensions[jobs.KEY].start)
    _compare(server.extensions[current.KEY], prefix)


def _fault(app: Flask, server: Flask, prefix: str) -> str | None:
    if not PREFIX.fullmatch(prefix):
        return f'A prefix looks like "/accounts", not like {prefix!r}.'
    if current.KEY not in server.extensions:
        return "What is mounted is made by create_app(); your own application comes first."
    if current.MOUNTED in app.extensions:
        return "This application has a server already, which its guards ask."
    return None


def _rooted(server: Flask) -> WSGIApplication:
    """The prefix alone is its first page; else it is redirected to whatever Host the request names."""

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        return server(environ, start)

    return answer


def _refuse(problem: Problem) -> Response:
    response = refusal(problem)
    response.headers["X-Request-ID"] = request_id()
    response.headers["Cache-Control"] = "no-store"
    return response


def _compare(settings: Settings, prefix: str) -> None:
    """A proxy may have another name for the prefix, so that this is not refused."""
    if not urlsplit(settings.public_url).path.endswith(prefix):
        log.warning("setting", what=f"PUBLIC_URL: does not end in {prefix}, where the server is mounted")
