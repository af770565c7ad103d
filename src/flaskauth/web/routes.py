"""All pages. Each module adds its views to the blueprint."""

from functools import partial

from flaskauth.core.http.request import public
from flaskauth.web import (
    account,
    credentials,
    email_sign_in,
    factors,
    lost_factor,
    password_reset,
    registration,
    security_links,
    sessions,
    sign_in,
    urls,
)
from flaskauth.web.blueprint import bp, link_bp

FORMS = {  # targets of forms without a page of their own: the page that a GET request is redirected to
    "/sign-in/passkey": urls.SIGN_IN,
    "/verify/resend": "/verify",
    "/account/avatar/remove": account.AVATAR,
    "/account/delete/restore": urls.DELETE,
    "/account/mfa/<path:rest>": urls.MFA,
    "/account/passkeys/<path:rest>": factors.PASSKEYS,
    "/account/password/remove": credentials.PASSWORD,
    "/account/sessions/<path:rest>": sessions.SESSIONS,
}
for rule, page in FORMS.items():
    view = public(partial(lambda target, **_rest: urls.redirect(target), page))
    bp.add_url_rule(rule, f"get {rule}", view, methods=["GET"])

__all__ = [
    "bp",
    "email_sign_in",
    "link_bp",
    "lost_factor",
    "password_reset",
    "registration",
    "security_links",
    "sign_in",
]
