"""The development mailbox: a page that shows the mails that would have been sent."""

from urllib.parse import urlsplit

from flask import Response, make_response, render_template, request, send_from_directory

from flaskauth.core.context import settings
from flaskauth.core.errors import Forbidden, NotFound
from flaskauth.core.http.request import Blueprint, is_direct_local_request, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.core.http.schemas import ResponseSchema
from flaskauth.mail import service
from flaskauth.mail.schemas import MailboxResponse

# Mails contain inline styles, and the frames that show them inherit the policy of the page.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src {images}; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

bp = Blueprint("mailbox", __name__, tag="Development", template_folder="templates")


@bp.before_request
def require_local_request() -> None:
    """Respond with 404 if mail is sent by SMTP, or if the client is remote or behind a proxy."""
    if not (settings().has_mailbox and is_direct_local_request()):
        raise NotFound


@bp.get("/dev/mailbox")
@public
@bp.doc(hide=True)
def mailbox_page() -> Response:
    """Show the mails of this server."""
    values = {"app_name": settings().app_name, "url": settings().public_url, "has_pages": settings().pages}
    response = make_response(render_template("mailbox.html", **values))
    images = " ".join(filter(None, ("data:", _logo_origin())))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(images=images)
    return response


@bp.get("/dev/mailbox.json")
@public
@bp.doc(hide=True)
@raises(NotFound)
@bp.output(MailboxResponse)
def list_mails() -> Response | tuple[dict[str, object], dict[str, str]]:
    """List the mails that were sent, newest first.

    Only available in development without MAIL_SERVER, and only to clients on the same machine.
    """
    etag = service.mailbox_etag()
    if request.if_none_match.contains(etag):
        return Response(status=304)
    return {"mails": service.list_mailbox()}, {"ETag": f'"{etag}"'}


@bp.get("/dev/mailbox/<int:mail_id>.eml")
@public
@raises(NotFound)
@bp.doc(hide=True)
def mail_source(mail_id: int) -> Response:
    """Return the source of a mail, as the mail server would receive it."""
    source = service.mailbox_source(mail_id)
    if source is None:
        raise NotFound
    response = Response(source, mimetype="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="{mail_id}.eml"'
    return response


@bp.delete("/dev/mailbox/<int:mail_id>")
@public
@rate_limit()
@raises(Forbidden, NotFound)
@bp.doc(hide=True)
@bp.output(ResponseSchema)
def delete_mail(mail_id: int) -> dict[str, object]:
    """Delete one mail."""
    _require_same_origin()
    if not service.delete_sent(mail_id):
        raise NotFound
    return {}


@bp.delete("/dev/mailbox")
@public
@rate_limit()
@raises(Forbidden)
@bp.doc(hide=True)
@bp.output(ResponseSchema)
def delete_mails() -> dict[str, object]:
    """Delete all mails that were sent."""
    _require_same_origin()
    service.delete_sent()
    return {}


@bp.get("/dev/mailbox/static/<name>")
@public
@bp.doc(hide=True)
def static_asset(name: str) -> Response:
    """Return the style sheet or the script of the page."""
    return send_from_directory(bp.root_path + "/static", name)


def _require_same_origin() -> None:
    """Respond with 403 to requests of pages of other sites, which can reach a server on the user's machine."""
    origin = request.headers.get("Origin")
    is_other_site = request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}
    if is_other_site or (origin is not None and origin != request.host_url.rstrip("/")):
        raise Forbidden


def _logo_origin() -> str:
    """Return the origin of MAIL_LOGO_URL, which mails load their logo from."""
    parts = urlsplit(settings().mail_logo_url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
