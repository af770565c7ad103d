"""What every route says about itself, and what is known of the one who asks."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, wraps
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import orjson
from apiflask import APIBlueprint
from flask import Response, current_app, g, make_response, request

from flaskauth.foundation import clock
from flaskauth.foundation.current import settings
from flaskauth.foundation.errors import Problem
from flaskauth.foundation.ids import new_secret_id
from flaskauth.settings import Network

Environ = dict[str, Any]
P = ParamSpec("P")
V = TypeVar("V", bound=Callable[..., Any])

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_IP = "flaskauth.client_ip"  # found once a request, as the next
REQUEST_ID = "flaskauth.request_id"
MOMENT = "flaskauth.moment"
LONGEST_ADDRESS = 100  # characters, port and zone among them; what is longer is none, and is not kept
NOBODY = "unknown"  # a peer without an address still has a budget


class Blueprint(APIBlueprint):
    """The routes of one room; `tag` is their heading in the API's description."""

    def output(self, schema: Any, **kwargs: Any) -> Callable[[Callable[P, Any]], Callable[P, Any]]:  # type: ignore[override]
        """Say in this shape what the view returns, alone or with headers."""
        described = super().output(schema, **kwargs)
        if not isinstance(schema, type):  # a file
            return described
        shape = schema()

        def decorator(view: Callable[P, Any]) -> Callable[P, Any]:
            @wraps(view)
            def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
                said = view(*args, **kwargs)
                if isinstance(said, Response):
                    return said
                body, headers = said if isinstance(said, tuple) else (said, {})
                return json_response(shape.dump(body), headers)

            return cast("Callable[P, Any]", described(answer))

        return decorator


class View(Protocol):
    access: str
    refusals: dict[str, type[Problem]]


def json_response(said: Any, headers: Mapping[str, str]) -> Response:
    """An answer in JSON: UTF-8, compact."""
    return Response(orjson.dumps(said), mimetype="application/json", headers=headers)


def public(view: V) -> V:
    """This route is for everybody."""
    cast("View", view).access = "public"
    return view


def refuses(*problems: type[Problem]) -> Callable[[V], V]:
    """These refusals are among the route's answers; the API's description lists them."""

    def decorator(view: V) -> V:
        told = cast("View", view)
        told.refusals = {**refusals(view), **{problem.code: problem for problem in problems}}
        return view

    return decorator


def refusals(view: Callable[..., Any]) -> dict[str, type[Problem]]:
    """The refusals that a route declared."""
    return dict(getattr(view, "refusals", {}))


def cached(seconds: int) -> Callable[[Callable[P, Any]], Callable[P, Response]]:
    """Anybody may keep this answer for so long."""

    def decorator(view: Callable[P, Any]) -> Callable[P, Response]:
        @wraps(view)
        def answer(*args: P.args, **kwargs: P.kwargs) -> Response:
            response = make_response(view(*args, **kwargs))
            response.headers["Cache-Control"] = f"public, max-age={seconds}"
            return response

        return answer

    return decorator


def streamed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces of an answer that are made while it is sent.

    Each is made within a context of its own: the server may ask for one in this thread, for the next in another.
    """
    context = current_app.app_context

    def sent() -> Iterator[bytes]:
        while True:
            with context():
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    return sent()


def request_id() -> str:
    """The id of this request: that of the site where one is mounted, the caller's, when it is sane, else ours."""
    return str(g.get("request_id") or request_id_in(request.environ))


def request_id_in(environ: Environ) -> str:
    """The same where no site has given one, by what WSGI tells of the request."""
    if REQUEST_ID not in environ:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ[REQUEST_ID] = given if SANE_ID.fullmatch(given) else new_secret_id().hex()
    return str(environ[REQUEST_ID])


def moment_in(environ: Environ) -> datetime:
    """When a request was first looked at, however often its transaction is run."""
    return cast("datetime", environ.setdefault(MOMENT, clock.now()))


def client_ip() -> str:
    """The address that asks: the right-most hop that is not a trusted proxy."""
    return client_ip_in(request.environ)


def client_ip_in(environ: Environ) -> str:
    """The same, by what WSGI tells of a request."""
    if CLIENT_IP not in environ:
        hops = [*environ.get("HTTP_X_FORWARDED_FOR", "").split(","), environ.get("REMOTE_ADDR", "")]
        environ[CLIENT_IP] = right_most_untrusted(hops, settings().trusted_proxies)
    return str(environ[CLIENT_IP])


def right_most_untrusted(hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """Whom to believe of the addresses that a request came by, the nearest of them last."""
    believed = NOBODY
    for hop in reversed(hops):
        address = _address(hop)
        if address is None:
            return believed
        believed = str(address)
        if not _is_within(address, tuple(trusted)):
            return believed
    return believed


def network() -> str:
    """What the address is counted under: an IPv4 address, or the /64 of an IPv6 address."""
    return network_of(client_ip())


def network_of(address: str) -> str:
    parsed = _address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed else NOBODY


def is_direct_from_here() -> bool:
    """Whether this machine asks, without a proxy between and by a name of its own."""
    headers = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
    peer, host = _address(request.remote_addr or ""), request.host.rsplit(":", 1)[0].strip("[]")
    return bool(peer and peer.is_loopback and _is_local(host)) and not any(name in request.headers for name in headers)


def user_agent() -> str:
    """What the caller calls itself, without control characters, at most 255 of them."""
    return "".join(letter for letter in request.headers.get("User-Agent", "") if letter.isprintable())[:255]


def preferred_language(offered: Sequence[str]) -> str:
    """The one of those offered that the request asks for most: "pt-BR" finds "pt". If there is none, the first."""
    for tag, quality in request.accept_languages:
        for choice in (tag.lower(), tag.lower().partition("-")[0]):
            if quality and choice in offered:
                return choice
    return offered[0]


@lru_cache(maxsize=4096)
def _is_within(address: ipaddress.IPv4Address | ipaddress.IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, with or without a port; IPv4 in IPv6's clothes is IPv4."""
    return _parsed(text) if len(text) <= LONGEST_ADDRESS else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _is_local(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or bool(address and address.is_loopback)


def view_of(endpoint: str) -> Callable[..., Any]:
    """The function behind an endpoint."""
    return cast("Callable[..., Any]", current_app.view_functions[endpoint])
