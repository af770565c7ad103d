"""URLs of the pages, and the URL that a page returns to."""

import re
from urllib.parse import quote, urlencode, urlsplit

from flask import redirect as flask_redirect
from flask import request
from werkzeug.wrappers import Response

from flaskauth.core.context import settings
from flaskauth.settings import origin_of

ACCOUNT, SIGN_IN, CONFIRM, DELETE, MFA = "/account", "/sign-in", "/account/confirm", "/account/delete", "/account/mfa"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
MAX_LENGTH = 2000  # characters of a URL to return to. With an email address, a cookie of 4096 bytes has to hold it.
# Browsers read "\" as "/" and ignore tabs and line breaks, so "/\t/example.com" would be another host.
LOCAL_PATH = re.compile(r"/(?![/\\])[!#-\[\]-~]*")


def root_path() -> str:
    """Return the path of PUBLIC_URL: the prefix of an application that mounts the server, or ""."""
    return urlsplit(settings().public_url).path.rstrip("/")


def url(path: str, **query: str | None) -> str:
    """Return the URL of a page, with the query parameters that have a value."""
    given = {name: value for name, value in query.items() if value}
    return f"{root_path()}{path}" + (f"?{urlencode(given)}" if given else "")


def redirect(path: str, **query: str | None) -> Response:
    """Return a redirect to a page, which the browser requests with GET."""
    return flask_redirect(url(path, **query), 303)


def checked_return_to(value: str | None) -> str | None:
    """Return the URL if it is a path of this host or an entry of RETURN_TO, else None."""
    if not value or len(value) > MAX_LENGTH:
        return None
    return value if LOCAL_PATH.fullmatch(value) or value in settings().return_to else None


def submitted_return_to() -> str | None:
    """Return the valid `return_to` of the query or the form."""
    return checked_return_to(request.values.get("return_to"))


def redirect_back(return_to: str | None) -> Response:
    """Return a redirect to a URL that `submitted_return_to` has checked, else to the account."""
    return flask_redirect(return_to or url(ACCOUNT), 303)


def current_page(prefix: str) -> str:
    """Return the URL of the page that the user wanted, to return to. For a form, it is the page of the form.

    Args:
        prefix: the path at which browsers reach the application.
    """
    if request.method in SAFE_METHODS:
        query = request.query_string.decode("latin-1")
        return prefix + quote(request.path) + (f"?{query}" if query else "")
    origin, referrer = origin_of(settings().public_url), request.referrer or ""
    return referrer.removeprefix(origin) if referrer.startswith(f"{origin}/") else url(ACCOUNT)


def return_origins() -> list[str]:
    """Return the origins and private schemes of RETURN_TO, as sources of a Content-Security-Policy."""
    parts = [urlsplit(entry) for entry in settings().return_to]
    return sorted({f"{part.scheme}://{part.netloc}" if part.netloc else f"{part.scheme}:" for part in parts})
