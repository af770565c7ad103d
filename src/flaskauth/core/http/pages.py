"""HTML pages for users who open the API in a browser: the index and error pages, without scripts."""

import base64
from importlib.resources import files
from urllib.parse import urlsplit

from flask import Response, request
from markupsafe import Markup

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.http.request import is_direct_local_request, preferred_language
from flaskauth.core.translations import Text, languages, text_direction, translate

STYLE_FILE = files("flaskauth.core.http").joinpath("static", "pages.css")
STYLE = Markup(STYLE_FILE.read_text(encoding="utf-8"))  # noqa: S704 (a file of the package)
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(crypto.sha256(STYLE.encode())).decode()}'; "
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = Markup("""<!doctype html>
<html lang="{language}" dir="{direction}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title} · {app_name}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header class="top"><a class="brand" dir="auto" href="{root}/">{app_name}</a></header>
<main>
<h1>{title}</h1>
<p dir="auto">{text}</p>
<ul class="links">
{links}
</ul>
</main>
</body>
</html>
""")
LINKS = {"/": Text("Start page"), "/docs": Text("API reference"), "/openapi.json": Text("OpenAPI document")}
LINK = Markup('<li><a href="{path}">{name}</a></li>')


def is_browser_navigation() -> bool:
    """Return True if a user opens the URL in a browser: a GET request without token that prefers HTML to JSON."""
    prefers_html = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    return prefers_html and request.method in {"GET", "HEAD"} and "Authorization" not in request.headers


def render_page(title: str, text: str) -> Response:
    """Return a page with a text, and links to the index, the documentation and, for a developer, the mailbox.

    It is in the language of the user.
    """
    language, root, links = preferred_language(languages()), urlsplit(settings().public_url).path, LINKS
    if settings().pages:
        links = {"/sign-in": Text("Sign in"), **links}
    if settings().has_mailbox and is_direct_local_request():
        links = {**links, "/dev/mailbox": Text("Development mailbox")}
    others = [(path, translate(name, language)) for path, name in links.items() if path != request.path]
    page = PAGE.format(
        title=translate(title, language),
        app_name=settings().app_name,
        root=root,
        style=STYLE,
        text=translate(text, language),
        language=language,
        direction=text_direction(language),
        links=Markup("\n").join(LINK.format(path=root + path, name=name) for path, name in others),
    )
    headers = {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Content-Language": language,
        "Vary": "Accept, Accept-Language",
    }
    return Response(page, mimetype="text/html", headers=headers)
