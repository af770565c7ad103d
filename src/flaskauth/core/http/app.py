"""The Flask application class: transactions, error responses, default headers and the request log."""

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import orjson
import structlog
from apiflask import APIFlask
from flask import Flask, Request, Response, request
from flask.json.provider import JSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import IntegerConverter, MapAdapter, RequestRedirect

from flaskauth.core import errors
from flaskauth.core.db.session import transaction
from flaskauth.core.errors import APIError, Forbidden, MethodNotAllowed
from flaskauth.core.http import cors, json_body, pages
from flaskauth.core.http.request import client_ip, has_encoded_path, is_developer, json_response, request_id
from flaskauth.core.observability import metrics as core_metrics
from flaskauth.core.observability.log import get_logger
from flaskauth.settings import Network, Settings

log = get_logger(__name__)

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

STARTED_AT = "flaskauth.started_at"
FAST_PATH_ERROR = "flaskauth.fast_path_error"  # an APIError that the fast path raised
CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Fixed headers replace those of a view; a view may override the fallback headers.
FIXED_HEADERS = (("X-Content-Type-Options", "nosniff"),)
HSTS_HEADER = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
FALLBACK_HEADERS = (
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Cache-Control", "no-store"),
)

ERRORS_BY_STATUS = {
    error_class.status: error_class
    for error_class in (errors.BadRequest, errors.NotFound, MethodNotAllowed, errors.TooLarge, errors.InternalError)
}


class OrjsonProvider(JSONProvider):
    """JSON by orjson: compact UTF-8, several times faster than the standard library."""

    def dumps(self, obj: object, **_kwargs: object) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_kwargs: object) -> Any:
        return orjson.loads(s)

    def response(self, *args: object, **kwargs: object) -> Response:
        return Response(orjson.dumps(self._prepare_response_obj(args, kwargs)), mimetype="application/json")


class LazyCookieSessions(SecureCookieSessionInterface):
    """Flask's cookie sessions, for routes of the host application. A request without cookies costs nothing."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)


class CanonicalInteger(IntegerConverter):
    """An integer in a path, of the length of an id: SQLite's driver raises an exception for one above 64 bits.

    With "01" or digits of other scripts, a resource would have several paths.
    """

    regex = "0|[1-9][0-9]{0,15}"


class AuthFlask(APIFlask):
    """Flask, with each view in a database transaction."""

    json_provider_class = OrjsonProvider
    session_interface = LazyCookieSessions()

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger of the package, without the handler that Flask adds: `log.init_app` decides where it writes."""
        return logging.getLogger(self.name)

    def log_exception(self, exc_info: ExceptionInfo) -> None:
        """Log an exception of a view. Flask calls this unless it propagates the exception, as with its debugger."""
        log.error("unhandled_exception", exc_info=exc_info)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Replace an empty path by "/": werkzeug would redirect it to the host in the Host header.

        Raises:
            NotFound: the path is a second spelling, which could bypass the path rules of a proxy.
        """
        if request is not None:
            path = request.environ["PATH_INFO"] = request.environ.get("PATH_INFO") or "/"
            if path.startswith("//") or has_encoded_path(request.environ):  # werkzeug ignores slashes
                raise NotFound
            request.environ.pop("HTTP_UPGRADE", None)  # werkzeug would reject a WebSocket offer
        return super().create_url_adapter(request)

    def dispatch_request(self) -> ResponseReturnValue:
        return transaction(super().dispatch_request)

    def raise_routing_exception(self, request: Request) -> NoReturn:
        """Make the redirect to a trailing slash relative, so that it does not depend on the Host header."""
        if isinstance(error := request.routing_exception, RequestRedirect):
            parts = urlsplit(error.new_url)
            error.new_url = urlunsplit(("", "", f"/{parts.path.lstrip('/')}", parts.query, ""))
        super().raise_routing_exception(request)


class RemoteDevelopmentAccess(Forbidden):
    code = "forbidden"
    message = (
        "In development this server accepts local connections only. Add the client's IP address to FLASKAUTH_DEV_HOSTS,"
        " or set FLASKAUTH_ENV=production to serve others."
    )


def init_app(app: Flask, settings: Settings) -> None:
    """Register the request hooks and the error handlers."""
    app.url_map.converters["int"] = CanonicalInteger
    app.url_map.merge_slashes = False  # "//hello" would be redirected to the host in the Host header
    json_body.init_app(app)
    app.before_request(_start_request)
    if settings.is_development:
        app.before_request(lambda: _reject_remote_clients(settings.flaskauth_dev_hosts))
    app.register_error_handler(APIError, _render_error)
    app.register_error_handler(HTTPException, _handle_http_error)
    fixed_headers = _fixed_headers(settings)
    app.after_request(lambda response: _finish_response(app, response, fixed_headers))


def error_response(error: APIError) -> Response:
    """Return the response for an error, and count it."""
    core_metrics.count_error(error.code)
    response = json_response(error.to_dict(request_id()), error.headers)
    response.status_code = error.status
    return response


def _render_error(error: APIError) -> Response:
    """Return the error as a page to a browser, and as JSON to all other clients."""
    response = error_response(error)
    if not pages.is_browser_navigation():
        return response
    message = error.to_dict("")["message"]
    assert isinstance(message, str)
    page = pages.render_page(str(error.status), message)
    page.status_code = error.status
    page.headers.extend(error.headers)
    return page


def _start_request() -> None:
    request.environ[STARTED_AT] = time.perf_counter()
    bind_request_id(request_id())
    if early_error := request.environ.get(FAST_PATH_ERROR):
        raise early_error


def bind_request_id(request_id: str) -> None:
    """Add the request id to all log lines of this thread."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)


def _reject_remote_clients(dev_hosts: Sequence[Network]) -> None:
    peer = request.remote_addr
    if peer is not None and not is_developer(peer, dev_hosts):
        raise RemoteDevelopmentAccess


def _handle_http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    response = _render_error((ERRORS_BY_STATUS.get(error.code) or _api_error_class(error))())
    if error.code == MethodNotAllowed.status:
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
    return response


def _api_error_class(error: HTTPException) -> type[APIError]:
    """Return an `APIError` class for an HTTP error of a host route, such as `abort(409, "Sold out.")`."""
    return type(type(error).__name__, (APIError,), {"status": error.code, "message": error.description})


def default_headers(settings: Settings, origin: str = "") -> list[tuple[str, str]]:
    """Return the headers of a response that is sent without Flask, to a page of this origin."""
    vary = "Accept-Language, Origin" if settings.cors_origins else "Accept-Language"
    return [
        *_fixed_headers(settings),
        *FALLBACK_HEADERS,
        ("Vary", vary),
        *cors.response_headers(settings, origin),
    ]


def _fixed_headers(settings: Settings) -> list[tuple[str, str]]:
    return [*FIXED_HEADERS, HSTS_HEADER] if settings.public_url.startswith("https://") else [*FIXED_HEADERS]


def _finish_response(app: Flask, response: Response, fixed_headers: Sequence[tuple[str, str]]) -> Response:
    headers = response.headers
    present = {name.lower() for name, _ in headers}
    for name, value in (*fixed_headers, ("X-Request-ID", request_id())):
        if name.lower() in present:
            del headers[name]
        headers.add(name, value)
    for name, value in FALLBACK_HEADERS:
        if name.lower() not in present:
            headers.add(name, value)
    rule, started_at = request.url_rule, request.environ.get(STARTED_AT)
    seconds = time.perf_counter() - started_at if started_at else None
    log_request(app, request.method, rule.rule if rule else None, response.status_code, seconds, client_ip())
    return response


def log_request(app: Flask, method: str, route: str | None, status: int, seconds: float | None, ip: str) -> None:
    """Log a request and record its duration in the metrics."""
    if seconds is not None and (app_metrics := core_metrics.get_metrics(app)):
        app_metrics.observe_request(route, method, status, seconds)
    ms = round(seconds * 1000, 1) if seconds is not None else None
    log.info("request", method=method, route=route, status=status, ms=ms, ip=ip)
