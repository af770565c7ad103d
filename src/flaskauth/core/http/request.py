"""Decorators that declare route properties, and functions that read client data from a request."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, wraps
from typing import ParamSpec, Protocol, TypeVar, cast
from urllib.parse import urlsplit
from wsgiref.types import WSGIEnvironment

import orjson
from apiflask import APIBlueprint, Schema
from flask import Response, current_app, g, make_response, request

from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.errors import APIError
from flaskauth.core.ids import new_secret_id
from flaskauth.core.translations import select_language, translate_body
from flaskauth.settings import Network

Environ = WSGIEnvironment
BatchResult = Mapping[str, object] | APIError | None
"""The result of the fast path for one request: the body of a 200 response, an error, or None if Flask must decide."""
P = ParamSpec("P")
V = TypeVar("V", bound=Callable[..., object])

REQUEST_ID_PATTERN = re.compile(r"[A-Za-z0-9._-]{1,64}")
PLAIN_PATH_PATTERN = re.compile(r"[\w./~-]*", re.ASCII)  # "/" and unreserved characters (RFC 3986 section 2.3)
# Keys of values that are stored in the WSGI environment: each is determined once per request.
CLIENT_IP = "flaskauth.client_ip"
REQUEST_ID = "flaskauth.request_id"
REQUEST_TIME = "flaskauth.request_time"
MAX_ADDRESS_LENGTH = 100  # characters, with port and zone; longer text is not parsed and does not fill the cache
UNREADABLE = "\xff"  # the value of a header whose bytes the server does not pass on; like them, it is not ASCII
UNKNOWN_CLIENT = "unknown"  # clients without an IP address share one rate limit


class Blueprint(APIBlueprint):
    """The routes of a package. `tag` is their heading in the OpenAPI document."""

    def output(  # type: ignore[override]
        self, schema: type[Schema] | Schema, *, content_type: str = "application/json"
    ) -> Callable[[Callable[P, object]], Callable[P, object]]:
        """Serialize the result of the view with this schema, and document it.

        The view returns a `Response`, a body, or a tuple of body and headers. A schema instance only documents a file.
        """
        document = super().output(schema, content_type=content_type)
        if not isinstance(schema, type):
            return document
        schema_instance = schema()

        def decorator(view: Callable[P, object]) -> Callable[P, object]:
            @wraps(view)
            def serialized_view(*args: P.args, **kwargs: P.kwargs) -> Response:
                result = view(*args, **kwargs)
                if isinstance(result, Response):
                    return result
                body, headers = result if isinstance(result, tuple) else (result, {})
                return json_response(schema_instance.dump(body), headers)

            return cast("Callable[P, object]", document(serialized_view))

        return decorator


class RouteView(Protocol):
    access: str
    declared_errors: dict[str, type[APIError]]


def json_response(body: object, headers: Mapping[str, str]) -> Response:
    """Return a response with a compact JSON body in UTF-8, and its message in the language of the client."""
    if not (isinstance(body, Mapping) and "success" in body):
        return Response(orjson.dumps(body), mimetype="application/json", headers=headers)
    translated, language_headers = translate_body(body, request.headers.get("Accept-Language", ""))
    response = Response(orjson.dumps(translated), mimetype="application/json", headers={**language_headers, **headers})
    response.vary.add("Accept-Language")
    return response


def public(view: V) -> V:
    """Declare that the route needs no authentication."""
    cast("RouteView", view).access = "public"
    return view


def raises(*error_classes: type[APIError]) -> Callable[[V], V]:
    """Declare the errors that the route may return. The OpenAPI document lists them."""

    def decorator(view: V) -> V:
        errors = {error_class.code: error_class for error_class in error_classes}
        cast("RouteView", view).declared_errors = {**declared_errors(view), **errors}
        return view

    return decorator


def declared_errors(view: Callable[..., object]) -> dict[str, type[APIError]]:
    """Return the declared errors of a route by code."""
    return dict(getattr(view, "declared_errors", {}))


def cached(seconds: int) -> Callable[[Callable[P, object]], Callable[P, Response]]:
    """Let shared caches store the response for this time."""

    def decorator(view: Callable[P, object]) -> Callable[P, Response]:
        @wraps(view)
        def cached_view(*args: P.args, **kwargs: P.kwargs) -> Response:
            response = make_response(view(*args, **kwargs))
            response.headers["Cache-Control"] = f"public, max-age={seconds}"
            return response

        return cached_view

    return decorator


def stream_with_app_context(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Return an iterator that produces each chunk of a streamed response in its own application context.

    The server may request consecutive chunks from different threads.
    """
    app_context = current_app.app_context

    def stream() -> Iterator[bytes]:
        while True:
            with app_context():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    return stream()


def request_id() -> str:
    """Return the request id of the host application if there is one, else that of `request_id_from`."""
    return str(g.get("request_id") or request_id_from(request.environ))


def request_id_from(environ: Environ) -> str:
    """Return the client's `X-Request-ID` if it is well-formed, else a generated id."""
    if REQUEST_ID not in environ:
        client_value = environ.get("HTTP_X_REQUEST_ID", "")
        environ[REQUEST_ID] = client_value if REQUEST_ID_PATTERN.fullmatch(client_value) else new_secret_id().hex()
    return str(environ[REQUEST_ID])


def request_time(environ: Environ) -> datetime:
    """Return the time of the first call for this request. A retry of the transaction does not change it."""
    return cast("datetime", environ.setdefault(REQUEST_TIME, clock.now()))


def has_encoded_path(environ: Environ) -> bool:
    """Return True if the client percent-encoded characters of the path without need: /auth%2Flogin, /%61uth/login.

    Servers that pass only the decoded path, such as `flaskauth serve`, cannot show this.
    """
    encoded_path = str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "").partition("?")[0]
    return "%" in encoded_path and PLAIN_PATH_PATTERN.fullmatch(environ["PATH_INFO"]) is not None


def client_ip() -> str:
    """Return the client IP: the right-most address in X-Forwarded-For that is not a trusted proxy."""
    return client_ip_from(request.environ)


def client_ip_from(environ: Environ) -> str:
    """Return the client IP of a WSGI request. X-Forwarded-For that is not ASCII text is ignored."""
    if CLIENT_IP not in environ:
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        hops = [*(forwarded.split(",") if forwarded.isascii() else ()), environ.get("REMOTE_ADDR", "")]
        environ[CLIENT_IP] = client_from_forwarded(hops, settings().trusted_proxies)
    return str(environ[CLIENT_IP])


def client_from_forwarded(hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the client IP from the addresses of a request path; stop at the first invalid one.

    Args:
        hops: the addresses of X-Forwarded-For, then the address of the peer.
        trusted: the networks of the trusted proxies.
    """
    client = UNKNOWN_CLIENT
    for hop in reversed(hops):
        address = _parse_address(hop)
        if address is None:
            return client
        client = str(address)
        if not _is_in_networks(address, tuple(trusted)):
            return client
    return client


def client_network() -> str:
    """Return the network of the client IP, the key of rate limits: the IPv4 address or the /64 of an IPv6 address."""
    return network_of(client_ip())


def network_of(address: str) -> str:
    parsed = _parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed else UNKNOWN_CLIENT


def is_direct_local_request() -> bool:
    """Return True if the peer and the Host are loopback addresses and nothing shows a proxy.

    A peer in FLASKAUTH_DEV_HOSTS may use any IP address as Host, or the host of PUBLIC_URL. A web page with DNS
    rebinding has another host name. nginx with `proxy_pass` alone adds no header and sends its own loopback address as
    Host. Before nginx 1.29.7 it shows by HTTP/1.0, which no browser uses; a newer one cannot be recognised.
    """
    headers = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
    peer, host = request.remote_addr or "", request.host.rsplit(":", 1)[0].strip("[]")
    if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0" or any(name in request.headers for name in headers):
        return False
    if not (dev_hosts := settings().flaskauth_dev_hosts):
        return is_developer(peer, ()) and _is_loopback_host(host)
    is_known_host = _is_loopback_host(host) or host.lower() == urlsplit(settings().public_url).hostname
    return is_developer(peer, dev_hosts) and (is_known_host or _parse_address(host) is not None)


def is_developer(peer: str, dev_hosts: Sequence[Network]) -> bool:
    """Return True if the address of a peer is a loopback address or in these networks."""
    address = _parse_address(peer)
    return address is not None and (address.is_loopback or _is_in_networks(address, tuple(dev_hosts)))


def user_agent() -> str:
    """Return the printable ASCII characters of the User-Agent, at most 255."""
    return "".join(character for character in request.headers.get("User-Agent", "") if " " <= character <= "~")[:255]


def preferred_language(offered: Sequence[str]) -> str:
    """Return the offered language that Accept-Language prefers, else the first one. "pt-BR" matches "pt"."""
    return select_language(request.headers.get("Accept-Language", ""), offered)


@lru_cache(maxsize=4096)
def _is_in_networks(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an IP address with or without a port. IPv4-mapped IPv6 addresses count as the plain IPv4 address."""
    return _parse_ip(text) if len(text) <= MAX_ADDRESS_LENGTH else None


@lru_cache(maxsize=4096)
def _parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _is_loopback_host(host: str) -> bool:
    address = _parse_address(host)
    return host == "localhost" or bool(address and address.is_loopback)


def get_view(endpoint: str) -> Callable[..., object]:
    """Return the view function of an endpoint."""
    return cast("Callable[..., object]", current_app.view_functions[endpoint])
