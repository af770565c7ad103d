"""GET /, /hello, /openapi.json and /docs: what a newcomer opens first."""

from pathlib import Path
from typing import Any

from flask import Response, make_response, render_template

from flaskauth.foundation.current import settings
from flaskauth.foundation.http import Blueprint, cached, public
from flaskauth.reference import spec
from flaskauth.reference.schemas import HelloReply, WelcomeReply

STATIC = Path(__file__).parent / "static"
ASSETS = {"init.js": "text/javascript", "swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
# Swagger UI writes style attributes; everything else is ours and from here.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

bp = Blueprint("reference", __name__, tag="Reference", template_folder="templates")


@bp.get("/")
@public
@bp.output(WelcomeReply)
def index() -> dict[str, str | None]:
    """Where to look."""
    root = settings().public_url
    return {
        "message": f"Welcome to {settings().app_name}",
        "docs": f"{root}/docs",
        "openapi": f"{root}/openapi.json",
        "jwks": f"{root}/.well-known/jwks.json",
        "mailbox": f"{root}/dev/mailbox" if settings().has_mailbox else None,
        "version": spec.version(),
    }


@bp.get("/hello")
@public
@bp.output(HelloReply)
def hello() -> dict[str, Any]:
    """Hello, from a server that works."""
    return {}


@bp.get("/openapi.json")
@public
@cached(seconds=600)
def description() -> Response:
    """This document."""
    return Response(spec.document(), mimetype="application/json")


@bp.get("/docs")
@bp.doc(hide=True)
@public
def docs() -> Response:
    """A page that can try every call."""
    page = make_response(render_template("docs.html", title=spec.title(settings())))
    page.headers["Content-Security-Policy"] = CSP
    return page


@bp.get(f"/docs/<any({','.join(map(repr, ASSETS))}):name>")
@bp.doc(hide=True)
@public
@cached(seconds=600)
def asset(name: str) -> Response:
    """What the page is made of."""
    return Response((STATIC / name).read_bytes(), mimetype=ASSETS[name])
