"""GET /, /hello, /openapi.json and /docs."""

from pathlib import Path

from flask import Response, make_response, render_template

from flaskauth.core.context import settings
from flaskauth.core.http import pages
from flaskauth.core.http.request import Blueprint, cached, public
from flaskauth.core.translations import Text
from flaskauth.openapi import spec
from flaskauth.openapi.schemas import HelloResponse, WelcomeResponse
from flaskauth.version import __version__

STATIC = Path(__file__).parent / "static"
ASSETS = {
    "docs.css": "text/css",
    "init.js": "text/javascript",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
# Swagger UI writes style attributes. All other content is from this origin.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

bp = Blueprint("openapi", __name__, tag="Reference", template_folder="templates")


@bp.get("/")
@public
@bp.output(WelcomeResponse)
def get_index() -> Response | tuple[dict[str, str | None], dict[str, str]]:
    """Get links to the entry points.

    Links to the documentation, the public keys and the development mailbox. A browser gets an HTML page.
    """
    root, title = settings().public_url, Text("Welcome to {app_name}", app_name=settings().app_name)
    if pages.is_browser_navigation():
        return pages.render_page(title, Text("This server registers and signs in the users of an application."))
    links = {
        "message": title,
        "docs": f"{root}/docs",
        "openapi": f"{root}/openapi.json",
        "jwks": f"{root}/.well-known/jwks.json",
        "mailbox": f"{root}/dev/mailbox" if settings().has_mailbox else None,
        "version": __version__,
    }
    return links, {"Vary": "Accept"}


@bp.get("/hello")
@public
@bp.output(HelloResponse)
def get_hello() -> dict[str, object]:
    """Get a greeting.

    Use it to check that the server works.
    """
    return {}


@bp.get("/openapi.json")
@public
@cached(seconds=600)
def get_openapi_document() -> Response:
    """Get this OpenAPI document.

    It is generated from the routes of this server.
    """
    return Response(spec.document(), mimetype="application/json")


@bp.get("/docs")
@bp.doc(hide=True)
@public
def docs() -> Response:
    """Return the Swagger UI page."""
    page = make_response(render_template("docs.html", title=spec.title(settings())))
    page.headers["Content-Security-Policy"] = CSP
    return page


@bp.get(f"/docs/<any({','.join(map(repr, ASSETS))}):name>")
@bp.doc(hide=True)
@public
@cached(seconds=600)
def asset(name: str) -> Response:
    """Return a file of the Swagger UI page."""
    return Response((STATIC / name).read_bytes(), mimetype=ASSETS[name])
