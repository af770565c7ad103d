"""Mount the server under a URL prefix of a host application, and protect routes of that application.

The host application keeps its own database, JSON provider, headers and error pages. Only an `APIError` is rendered as
the server renders it.
"""

import logging
import re
from collections.abc import Iterable
from functools import partial
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response as BaseResponse

from flaskauth import flask_commands
from flaskauth.core import context
from flaskauth.core.errors import APIError
from flaskauth.core.http.app import error_response
from flaskauth.core.http.request import request_id
from flaskauth.core.jobs import background
from flaskauth.core.observability import log
from flaskauth.core.observability.log import get_logger
from flaskauth.mail import templates
from flaskauth.passkeys import routes as passkey_routes
from flaskauth.sessions.decorators import current_user
from flaskauth.settings import Settings

PREFIX_PATTERN = re.compile(r"(/[\w.~-]+)+", re.ASCII)

logger = get_logger(__name__)


def mount(app: Flask, server: Flask, prefix: str) -> None:
    """Serve the authentication server under a prefix of your application, and enable `auth_required` on your routes.

    It also answers the URLs below `/.well-known` that clients request at the root of a host, unless your application
    has a route for that path, added before or after this call.

    Set PUBLIC_URL to the public URL of that prefix, such as https://shop.example.com/accounts.

    Args:
        app: your application.
        server: the server, created by `create_app()`.
        prefix: the path, such as "/accounts".

    Raises:
        ValueError: the prefix is invalid, `server` was not created by `create_app()`, or `app` has a server already.
    """
    if error := _find_mount_error(app, server, prefix):
        raise ValueError(error)
    app.extensions[context.MOUNTED] = server
    templates.use_application(server, app)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {prefix: _with_root_path(server)})  # type: ignore[method-assign]
    app.add_url_rule(passkey_routes.RULE_AT_ROOT, "flaskauth_well_known", partial(_respond, server))
    app.register_error_handler(APIError, _handle_api_error)
    flask_commands.init_app(app)
    app.jinja_env.globals["current_user"] = current_user  # a context processor of the application takes precedence
    logging.getLogger("werkzeug").removeFilter(log.is_not_request_line)  # the host application does not log its own
    # The background worker, which sends mail, starts with the first request to either application.
    app.before_request(server.extensions[background.KEY].start)
    settings: Settings = server.extensions[context.KEY]
    if not settings.is_development:
        logging.getLogger(app.name).addFilter(log.strip_exception)  # `app.logger`, without the handler that it adds
    if not urlsplit(settings.public_url).path.endswith(prefix):  # not an error: a proxy may rewrite the path
        detail = f"PUBLIC_URL: does not end in {prefix}, where the server is mounted"
        logger.warning("configuration_warning", detail=detail)


def _find_mount_error(app: Flask, server: Flask, prefix: str) -> str | None:
    if not PREFIX_PATTERN.fullmatch(prefix):
        return f'The prefix must look like "/accounts", not {prefix!r}.'
    if context.KEY not in server.extensions:
        return "The second argument must be created by create_app(); pass your own application first."
    if context.MOUNTED in app.extensions:
        return "This application already has a mounted server."
    return None


def _with_root_path(server: Flask) -> WSGIApplication:
    """Serve the bare prefix as "/". Werkzeug would redirect it to the host that the request names."""

    def wsgi_app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        return server(environ, start_response)

    return wsgi_app


def _respond(server: Flask, name: str) -> BaseResponse:
    """Return the response of the server to a request at the root of the host."""
    path = f"{passkey_routes.WELL_KNOWN}/{name}"
    return BaseResponse.from_app(server, {**request.environ, "SCRIPT_NAME": "", "PATH_INFO": path})


def _handle_api_error(error: APIError) -> Response:
    response = error_response(error)
    response.headers["X-Request-ID"] = request_id()
    response.headers["Cache-Control"] = "no-store"
    return response
