"""The Flask application that every room is built into: one transaction a request, one shape for every refusal."""

import time
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import orjson
import structlog
from apiflask import APIFlask
from flask import Flask, Request, Response, request
from flask.json.provider import JSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect

from flaskauth.foundation import body, errors, measures
from flaskauth.foundation.db import transaction
from flaskauth.foundation.errors import Forbidden, InternalError, MethodNotAllowed, Problem
from flaskauth.foundation.http import client_ip, json_response, request_id
from flaskauth.settings import Settings

log = structlog.get_logger(__name__)

BEGUN = "flaskauth.begun"
REFUSED = "flaskauth.refused"  # a Problem that was met before
STRICT = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# What every answer says, and what it says unless its view says otherwise.
ALWAYS = (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"))
ON_HTTPS = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
UNLESS_SAID = (
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", STRICT),
    ("Cache-Control", "no-store"),
)

OURS = {kind.status: kind for kind in (errors.BadRequest, errors.NotFound, MethodNotAllowed, errors.TooLarge)}


class Json(JSONProvider):
    """orjson: UTF-8, compact, and several times faster than the standard library."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return Response(orjson.dumps(self._prepare_response_obj(args, kwargs)), mimetype="application/json")


class Cookies(SecureCookieSessionInterface):
    """Flask's own session, for routes of yours; nothing is made ready for a request that brings none."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ:
            return self.session_class()
        return super().open_session(app, request)


class Server(APIFlask):
    """Flask, with a request's transaction around its view."""

    json_provider_class = Json
    session_interface = Cookies()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """How addresses are matched: for werkzeug, no path is a redirect to whatever Host the request names."""
        if request is not None:
            request.environ["PATH_INFO"] = request.environ.get("PATH_INFO") or "/"
            request.environ.pop("HTTP_UPGRADE", None)  # nobody is refused for offering WebSocket (RFC 9110 section 7.8)
        return super().create_url_adapter(request)

    def dispatch_request(self) -> Any:
        return transaction(super().dispatch_request)

    def raise_routing_exception(self, request: Request) -> NoReturn:
        """A redirect to the same address with a slash stays on the host that was asked, whatever name it was given."""
        if isinstance(error := request.routing_exception, RequestRedirect):
            error.new_url = _here(error.new_url)
        super().raise_routing_exception(request)


class PublicDevelopment(Forbidden):
    code = "forbidden"
    message = "This server runs in development, for this machine only. Set FLASKAUTH_ENV=production to serve others."


def init_app(app: Flask, settings: Settings) -> None:
    """Hook up what surrounds every request."""
    app.url_map.merge_slashes = False  # else "//hello" is redirected to whatever Host the request names
    body.init_app(app)
    app.before_request(_begin)
    if settings.is_development:
        app.before_request(_refuse_others)
    app.register_error_handler(Problem, refusal)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _accident)
    always = _always(settings)
    app.after_request(lambda response: _end(app, response, always))


def refusal(problem: Problem) -> Response:
    """A refusal, as an answer."""
    measures.refused(problem.code)
    response = json_response(problem.told(request_id()), problem.headers)
    response.status_code = problem.status
    return response


def _begin() -> None:
    request.environ[BEGUN] = time.perf_counter()
    name_lines(request_id())
    if refused := request.environ.get(REFUSED):
        raise refused


def name_lines(request_id: str) -> None:
    """Have each line of this thread's log say which request it belongs to."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)


def _refuse_others() -> None:
    peer = request.remote_addr
    if peer is not None and not is_loopback_peer(peer):
        raise PublicDevelopment


def is_loopback_peer(peer: str) -> bool:
    """Whether the connection comes from this machine."""
    return peer == "::1" or peer.startswith(("127.", "::ffff:127."))


def _http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error
    response = refusal((OURS.get(error.code) or _aborted(error))())
    if error.code == MethodNotAllowed.status:
        response.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
    return response


def _here(url: str) -> str:
    """The same without its host."""
    parts = urlsplit(url)
    return urlunsplit(("", "", f"/{parts.path.lstrip('/')}", parts.query, ""))


def _aborted(error: HTTPException) -> type[Problem]:
    """What a route of yours answers by `abort(409, "Sold out.")`."""
    return type(type(error).__name__, (Problem,), {"status": error.code, "message": error.description})


def _accident(error: Exception) -> Response:
    log.error("accident", exc_info=error)
    return refusal(InternalError())


def standing_headers(settings: Settings) -> list[tuple[str, str]]:
    """What every answer says, also where the application was not asked."""
    return [*_always(settings), *UNLESS_SAID, *([("Vary", "Origin")] if settings.cors_origins else [])]


def _always(settings: Settings) -> list[tuple[str, str]]:
    return [*ALWAYS, ON_HTTPS] if settings.public_url.startswith("https://") else [*ALWAYS]


def _end(app: Flask, response: Response, always: Sequence[tuple[str, str]]) -> Response:
    headers = response.headers
    said = {name.lower() for name, _ in headers}
    for name, value in (*always, ("X-Request-ID", request_id())):
        if name.lower() in said:
            del headers[name]
        headers.add(name, value)
    for name, value in UNLESS_SAID:
        if name.lower() not in said:
            headers.add(name, value)
    rule, begun = request.url_rule, request.environ.get(BEGUN)
    took = time.perf_counter() - begun if begun else None
    tell(app, request.method, rule.rule if rule else None, response.status_code, took, client_ip())
    return response


def tell(app: Flask, method: str, route: str | None, status: int, took: float | None, ip: str) -> None:
    """Count a request, which took so many seconds, and have it in the log."""
    if took is not None and (kept := measures.of(app)):
        kept.ended(route, method, status, took)
    ms = round(took * 1000, 1) if took is not None else None
    log.info("request", method=method, route=route, status=status, ms=ms, ip=ip)
