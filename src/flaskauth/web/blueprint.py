"""The blueprints of the pages: checks of each request, headers of each response, error pages and assets."""

from flask import Response, current_app, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from flaskauth.core.errors import APIError, BadRequest, InternalError, NotFound
from flaskauth.core.http import json_body
from flaskauth.core.http.app import ERRORS_BY_STATUS
from flaskauth.core.http.request import UNREADABLE, Blueprint, public
from flaskauth.core.observability import metrics
from flaskauth.core.translations import languages
from flaskauth.web import assets, cookies, rendering, urls
from flaskauth.web.decorators import require_same_origin

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'{return_origins}; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Referrer-Policy": "same-origin",  # with `no-referrer`, browsers send `Origin: null` with a form
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}

bp = Blueprint("web", __name__, enable_openapi=False)
link_bp = Blueprint("web_links", __name__, tag="Account")  # registered with PAGES=false too


class UnreadableCookies(BadRequest):
    """400 `bad_request`: one cookie is not ASCII, so the server passes none on, and no sign-in would have an effect."""

    code = "bad_request"
    message = (
        "Your browser sends a cookie with characters outside ASCII, so this site cannot read your cookies. Delete the"
        " cookies of this site, and try again."
    )


def _check_request() -> None:
    require_same_origin()
    if request.mimetype != "multipart/form-data":  # of a longer body, werkzeug would parse the beginning
        json_body.read_body(request)


def _check_cookies() -> None:
    if request.headers.get("Cookie") == UNREADABLE:
        raise UnreadableCookies


def _finish_response(response: Response) -> Response:
    """Add the headers of a page, and remember a language that the user selected."""
    if response.mimetype == "text/html":
        sources = "".join(f" {source}" for source in urls.return_origins())
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(return_origins=sources)
        response.headers.update(HEADERS)
        response.vary.update(["Accept-Language", "Cookie"])
        language = request.args.get("lang", "")
        if language in languages():
            cookies.put_language(response, language)
    return response


def _handle_api_error(error: APIError) -> BaseResponse:
    """Redirect to the page that the user needs first, or show an error page."""
    metrics.count_error(error.code)
    return rendering.redirect_to_required_page(error) or rendering.render_error(error)


def _handle_http_error(error: HTTPException) -> BaseResponse | HTTPException:
    if error.code is None or error.code < 400:
        return error
    return _handle_api_error(ERRORS_BY_STATUS.get(error.code, InternalError)())


for blueprint in (bp, link_bp):
    blueprint.before_request(_check_request)
    blueprint.after_request(_finish_response)
    blueprint.register_error_handler(APIError, _handle_api_error)
    blueprint.register_error_handler(HTTPException, _handle_http_error)
bp.before_request(_check_cookies)


@link_bp.get("/pages/<version>/<name>")
@public
@link_bp.doc(hide=True)
def asset(version: str, name: str) -> Response:
    """Return an asset, which browsers may cache forever."""
    file = assets.find(name)
    if file is None or version != file.version:
        raise NotFound
    response = current_app.response_class(file.content, mimetype=file.media_type)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
