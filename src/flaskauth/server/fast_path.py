"""The fast path: frequent requests are answered in batches, without Flask and without a thread for each (ADR 24).

The response is exactly the one that Flask would return. Flask handles all unusual requests and all errors.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import orjson
from flask.signals import request_finished, request_started, request_tearing_down
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import clear_contextvars

from flaskauth.core import context
from flaskauth.core.db.session import is_row_locked
from flaskauth.core.errors import APIError, Overloaded, Unavailable
from flaskauth.core.http import app as http_app
from flaskauth.core.http.app import AuthFlask
from flaskauth.core.http.request import BatchResult, Environ, client_ip_from, is_developer, request_id_from
from flaskauth.core.jobs.batches import BatchProcessor
from flaskauth.core.observability.log import get_logger
from flaskauth.core.translations import translate_body
from flaskauth.profile import routes as profile_routes
from flaskauth.sessions import routes as session_routes
from flaskauth.settings import Settings

log = get_logger(__name__)

BatchView = Callable[[Sequence[Environ]], Sequence[BatchResult]]
Response = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers and body."""

# The second thread for updates: a batch that waits for a row lock does not delay the next one.
VIEWS: Mapping[tuple[str, str], tuple[str, BatchView, int]] = {
    ("GET", "/users/profile"): ("profile.get_profile", profile_routes.get_profiles, 1),
    ("POST", "/auth/refresh"): ("sessions.refresh_token", session_routes.refresh_in_batch, 2),
}
# Headers that Flask interprets: content and transfer codings, and requests for other CORS headers.
SLOW_PATH_HEADERS = ("HTTP_CONTENT_", "HTTP_TRANSFER_ENCODING", "HTTP_ACCESS_CONTROL_")
SIGNALS = (request_started, request_finished, request_tearing_down)
KNOWN_PACKAGES = {"flaskauth", "flask_cors", "flask_sqlalchemy_lite"}
MAX_DATABASE_WAIT = 0.5  # seconds; after a database error that took longer, Flask does not query the database again
STARTED_AT = "flaskauth.fast_path_started_at"


class FastPath:
    """Views that are called with all requests that wait. Each view has its own threads.

    There are none if an extension or the application has registered hooks or replaced a view: they must see each
    request.
    """

    def __init__(self, app: AuthFlask, views: Mapping[tuple[str, str], tuple[str, BatchView, int]] = VIEWS) -> None:
        settings: Settings = app.extensions[context.KEY]
        self._settings, self._session_cookie = settings, f"{app.config['SESSION_COOKIE_NAME']}="
        self._dev_hosts = settings.flaskauth_dev_hosts if settings.is_development else None
        self._processors = {
            key: BatchProcessor(app, partial(_respond, app, view), threads=threads)
            for key, (endpoint, view, threads) in views.items()
            if not _is_customised(app, endpoint)
        }

    async def respond(self, environ: Environ) -> Response | None:
        """Return the response to a request, or None if Flask must handle it.

        Raises:
            Overloaded: too many requests wait.
        """
        processor = self._processors.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if processor is None or not self._is_eligible(environ):
            return None
        environ[STARTED_AT] = started_at = time.perf_counter()
        try:
            return await processor.run(environ)
        except Overloaded:
            raise
        except Exception as error:  # noqa: BLE001 (Flask raises it again, or runs the request)
            environ[http_app.FAST_PATH_ERROR] = _error_for_flask(error, time.perf_counter() - started_at)
            return None

    def _is_eligible(self, environ: Environ) -> bool:
        return (
            not any(name.startswith(SLOW_PATH_HEADERS) for name in environ)
            and not any(
                pair.lstrip().startswith(self._session_cookie) for pair in environ.get("HTTP_COOKIE", "").split(";")
            )
            and (environ["REQUEST_METHOD"] != "GET" or environ.get("CONTENT_LENGTH", "0") == "0")
            and not any(signal.receivers for signal in SIGNALS)
            and (self._dev_hosts is None or is_developer(environ.get("REMOTE_ADDR", ""), self._dev_hosts))
        )


def _respond(app: AuthFlask, view: BatchView, environs: Sequence[Environ]) -> list[Response | APIError | None]:
    """Call the view, and log the requests that it has answered, or the exception that concerns all of them."""
    clear_contextvars()  # the lines of the view do not belong to the last request of the previous batch
    try:
        return [
            _build_response(app, environ, result) if isinstance(result, Mapping) else result
            for environ, result in zip(environs, view(environs), strict=True)
        ]
    except (APIError, SQLAlchemyError):
        raise
    except Exception as error:
        clear_contextvars()
        log.error("unhandled_exception", exc_info=error, requests=len(environs))
        raise


def _build_response(app: AuthFlask, environ: Environ, result: Mapping[str, object]) -> Response:
    translated, language_headers = translate_body(result, environ.get("HTTP_ACCEPT_LANGUAGE", ""))
    body, request_id = orjson.dumps(translated), request_id_from(environ)
    headers = [
        ("Content-Type", "application/json"),
        *http_app.default_headers(context.settings(), environ.get("HTTP_ORIGIN", "")),
        *language_headers.items(),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", request_id),
    ]
    http_app.bind_request_id(request_id)
    seconds = time.perf_counter() - environ[STARTED_AT]
    http_app.log_request(app, environ["REQUEST_METHOD"], environ["PATH_INFO"], 200, seconds, client_ip_from(environ))
    return 200, headers, body


def _error_for_flask(error: Exception, seconds: float) -> APIError | None:
    """Return the error that Flask must render, or None if Flask must run the request itself."""
    if isinstance(error, APIError):
        return error
    if not isinstance(error, SQLAlchemyError):
        return None
    # One locked row fails the whole batch. Only the request for this row waits again.
    return Unavailable() if seconds > MAX_DATABASE_WAIT and not is_row_locked(error) else None


def _is_customised(app: AuthFlask, endpoint: str) -> bool:
    """Return True if a hook, the view or `wsgi_app` belongs to a package that must see each request."""
    registries: list[Mapping[str | None, Sequence[object]]] = [
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.url_value_preprocessors,
        {None: [*app.teardown_appcontext_funcs, app.view_functions[endpoint]]},
    ]
    hooks = [hook for registry in registries for functions in registry.values() for hook in functions]
    packages = {str(getattr(hook, "__module__", None)).partition(".")[0] for hook in hooks}
    return "wsgi_app" in vars(app) or not packages <= KNOWN_PACKAGES
