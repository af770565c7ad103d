"""The mailbox of development: what would have been sent, to look at."""

from flask import Response, make_response, render_template, request, send_from_directory

from flaskauth.foundation.current import settings
from flaskauth.foundation.errors import NotFound
from flaskauth.foundation.http import Blueprint, is_direct_from_here, public, refuses
from flaskauth.mail import service
from flaskauth.mail.schemas import MailboxReply

# Styles stand in the mails themselves, which the page shows inside frames that inherit its policy.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

bp = Blueprint("mailbox", __name__, tag="Development", template_folder="templates")


@bp.before_request
def only_for_this_machine() -> None:
    """404 where mail is really sent, and for whoever is not on this machine or comes through a proxy."""
    if not (settings().has_mailbox and is_direct_from_here()):
        raise NotFound


@bp.get("/dev/mailbox")
@public
@bp.doc(hide=True)
def page() -> Response:
    """The mails of this server, to read."""
    response = make_response(render_template("mailbox.html", app_name=settings().app_name, url=settings().public_url))
    response.headers["Content-Security-Policy"] = POLICY
    return response


@bp.get("/dev/mailbox.json")
@public
@refuses(NotFound)
@bp.output(MailboxReply)
def mails() -> Response | tuple[dict[str, object], dict[str, str]]:
    """The mails that were sent, newest first. Only in development without MAIL_SERVER, and only from this machine."""
    tag = service.mailbox_tag()
    if request.if_none_match.contains(tag):
        return Response(status=304)
    return {"mails": service.mailbox()}, {"ETag": f'"{tag}"'}


@bp.get("/dev/mailbox/static/<path:name>")
@public
@bp.doc(hide=True)
def asset(name: str) -> Response:
    """The page's style and script."""
    return send_from_directory(bp.root_path + "/static", name)
