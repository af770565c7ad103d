"""What is asked most, answered before Flask where a request asks for nothing else.

A shortcut says exactly what Flask's road would say, or nothing: what is not plain goes that road, and what is refused
is told there.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import orjson
from flask.signals import request_finished, request_started, request_tearing_down
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.foundation import current, server
from flaskauth.foundation.errors import Problem, Unavailable
from flaskauth.foundation.http import Environ, client_ip_in, request_id_in
from flaskauth.foundation.server import Server
from flaskauth.settings import Settings

View = Callable[[Environ], Any]
"""What is said with 200, or None; it has the application's context, and no request of Flask's. A Problem is refused."""

# A request with one of these is Flask's: web pages of other origins, cookies of routes of yours, codings.
ANOTHER_ROAD = frozenset({"HTTP_ORIGIN", "HTTP_COOKIE", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING"})
SIGNALS = (request_started, request_finished, request_tearing_down)
LONGEST = 1024  # bytes of a body
PATIENCE = 0.5  # seconds: whom the database has kept waiting for so long is not made to wait for it once more


class Shortcuts:
    """WSGI (PEP 3333) around that of the application.

    Arguments:
        views: by method and path. None is asked where the application was given hooks or views of its own meanwhile:
            these are to see every request.
    """

    def __init__(self, app: Server, views: Mapping[tuple[str, str], View]) -> None:
        settings: Settings = app.extensions[current.KEY]
        self._app, self._flask, self._views = app, app.wsgi_app, views
        self._is_development = settings.is_development
        self._headers = [("Content-Type", "application/json"), *server.standing_headers(settings)]
        self._as_made = _hooks(app)
        self._is_alone: bool | None = None

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if self._is_alone is None:  # from the first request on, which is Flask's, it takes no more hooks
            self._is_alone = _hooks(self._app) == self._as_made
            return self._flask(environ, start_response)
        view = self._views.get((environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")))
        said = self._said(view, environ) if view and self._is_plain(environ) else None
        if said is None:
            return self._flask(environ, start_response)
        length, name = ("Content-Length", str(len(said))), ("X-Request-ID", request_id_in(environ))
        start_response("200 OK", [*self._headers, length, name])
        return [said]

    def _is_plain(self, environ: Environ) -> bool:
        return (
            self._is_alone is True
            and not environ.get("QUERY_STRING")
            and ANOTHER_ROAD.isdisjoint(environ)
            and not any(signal.receivers for signal in SIGNALS)
            and (not self._is_development or server.is_loopback_peer(environ.get("REMOTE_ADDR", "")))
        )

    def _said(self, view: View, environ: Environ) -> bytes | None:
        begun = time.perf_counter()
        with self._app.app_context():
            server.name_lines(request_id_in(environ))
            try:
                said = view(environ)
            except Exception as error:  # noqa: BLE001 (Flask meets it again, and tells)
                environ[server.REFUSED] = _refused(error, time.perf_counter() - begun)
                return None
            if said is None:
                return None
            took = time.perf_counter() - begun
            server.tell(self._app, environ["REQUEST_METHOD"], environ["PATH_INFO"], 200, took, client_ip_in(environ))
        return orjson.dumps(said)


def _refused(error: Exception, waited: float) -> Problem | None:
    """What Flask is to answer; None where it is to try itself."""
    if isinstance(error, Problem):
        return error
    return Unavailable() if isinstance(error, SQLAlchemyError) and waited > PATIENCE else None


def only_field(name: str) -> Callable[[Environ], str | None]:
    """Finds the value where a body is a JSON object of this one field, whose value are letters and digits and `._-`."""
    space = rb"[ \t\r\n]*"  # as JSON has it (RFC 8259 section 2)
    form = re.compile(
        space.join([b"", b"{", b'"%s"' % name.encode(), b":", rb'"([\w.-]{1,512})"', b"}", b""]), re.ASCII
    )

    def value(environ: Environ) -> str | None:
        length = environ.get("CONTENT_LENGTH", "")
        if environ.get("CONTENT_TYPE") != "application/json" or not length.isdigit() or int(length) > LONGEST:
            return None
        body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = BytesIO(body)
        found = form.fullmatch(body)
        return found[1].decode() if found else None

    return value


def _hooks(app: Server) -> list[tuple[str | None, Any]]:
    """Everything that a request of ours passes on Flask's road."""
    kinds: list[Mapping[str | None, Sequence[Any]]] = [
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.url_value_preprocessors,
    ]
    hooks = [(scope, hook) for kind in kinds for scope, found in kind.items() for hook in found]
    return [*hooks, *app.view_functions.items()]
