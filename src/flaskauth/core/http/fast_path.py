"""A fast path for frequent requests: WSGI middleware that bypasses Flask (ADR 12).

The fast path returns exactly the response that Flask would return, or passes the request on. Flask handles all unusual
requests and all errors.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from wsgiref.types import StartResponse

import orjson
from flask.signals import request_finished, request_started, request_tearing_down
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.core import context
from flaskauth.core.errors import APIError, Unavailable
from flaskauth.core.http import app as http_app
from flaskauth.core.http.app import AuthFlask
from flaskauth.core.http.request import Environ, client_ip_from, has_encoded_path, is_developer, request_id_from
from flaskauth.core.translations import translate_body
from flaskauth.settings import Settings

FastPathView = Callable[[Environ], Mapping[str, object] | None]
"""A view that returns the body of a 200 response, or None to pass the request to Flask.

It runs in an application context without a request context. Flask renders an `APIError` that it raises.
"""

# Flask handles requests with these headers: CORS, cookie sessions, content and transfer codings.
SLOW_PATH_HEADERS = frozenset({"HTTP_ORIGIN", "HTTP_COOKIE", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"})
SIGNALS = (request_started, request_finished, request_tearing_down)
MAX_BODY_BYTES = 1024
MAX_DATABASE_WAIT = 0.5  # seconds; after a database error that took longer, Flask does not query the database again


class FastPathMiddleware:
    """WSGI middleware that calls a view directly for some methods and paths.

    It is inactive if the application registers further hooks or views after this object is created: they must see each
    request.
    """

    def __init__(self, app: AuthFlask, views: Mapping[tuple[str, str], FastPathView]) -> None:
        settings: Settings = app.extensions[context.KEY]
        self._app, self._flask_wsgi_app, self._views = app, app.wsgi_app, views
        self._dev_hosts = settings.flaskauth_dev_hosts if settings.is_development else None
        self._headers = [("Content-Type", "application/json"), *http_app.default_headers(settings)]
        self._initial_hooks = _registered_hooks(app)
        self._is_unmodified: bool | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request."""
        if self._is_unmodified is None:  # Flask rejects further hooks after its first request, which this one becomes
            self._is_unmodified = _registered_hooks(self._app) == self._initial_hooks
            return self._flask_wsgi_app(environ, start_response)
        view = self._views.get((environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")))
        result = self._run_view(view, environ) if view and self._is_eligible(environ) else None
        if result is None:
            return self._flask_wsgi_app(environ, start_response)
        translated, language_headers = translate_body(result, environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        body = orjson.dumps(translated)
        body_headers = [("Content-Length", str(len(body))), ("X-Request-ID", request_id_from(environ))]
        start_response("200 OK", [*self._headers, *language_headers.items(), *body_headers])
        return [body]

    def _is_eligible(self, environ: Environ) -> bool:
        return (
            self._is_unmodified is True
            and not environ.get("QUERY_STRING")
            and SLOW_PATH_HEADERS.isdisjoint(environ)
            and not has_encoded_path(environ)
            and not any(signal.receivers for signal in SIGNALS)
            and (self._dev_hosts is None or is_developer(environ.get("REMOTE_ADDR", ""), self._dev_hosts))
        )

    def _run_view(self, view: FastPathView, environ: Environ) -> Mapping[str, object] | None:
        started_at = time.perf_counter()
        with self._app.app_context():
            http_app.bind_request_id(request_id_from(environ))
            try:
                result = view(environ)
            except Exception as error:  # noqa: BLE001 (Flask raises and logs it again)
                environ[http_app.FAST_PATH_ERROR] = _error_for_flask(error, time.perf_counter() - started_at)
                return None
            if result is None:
                return None
            seconds = time.perf_counter() - started_at
            http_app.log_request(
                self._app, environ["REQUEST_METHOD"], environ["PATH_INFO"], 200, seconds, client_ip_from(environ)
            )
        return result


def _error_for_flask(error: Exception, seconds: float) -> APIError | None:
    """Return the error that Flask must render, or None if Flask must run the request itself."""
    if isinstance(error, APIError):
        return error
    return Unavailable() if isinstance(error, SQLAlchemyError) and seconds > MAX_DATABASE_WAIT else None


def build_field_reader(name: str) -> Callable[[Environ], str | None]:
    """Return a function that reads a JSON object with this single field, or returns None for any other body.

    The value may contain letters, digits and `._-`. The function leaves the body readable for Flask.
    """
    space = rb"[ \t\r\n]*"  # JSON white space (RFC 8259 section 2)
    pattern = re.compile(
        space.join([b"", b"{", b'"%s"' % name.encode(), b":", rb'"([\w.-]{1,512})"', b"}", b""]), re.ASCII
    )

    def read_field(environ: Environ) -> str | None:
        length = environ.get("CONTENT_LENGTH", "")
        if environ.get("CONTENT_TYPE") != "application/json" or not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return None
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = BytesIO(body)
        match = pattern.fullmatch(body)
        return match[1].decode() if match else None

    return read_field


def _registered_hooks(app: AuthFlask) -> list[tuple[str | None, object]]:
    """Return all hooks and views of the application."""
    registries: list[Mapping[str | None, Sequence[object]]] = [
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.url_value_preprocessors,
    ]
    hooks = [(scope, hook) for registry in registries for scope, functions in registry.items() for hook in functions]
    return [*hooks, *app.view_functions.items()]
