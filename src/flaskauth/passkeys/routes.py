"""/users/factors/passkeys, and the documents that browsers and password managers read below /.well-known."""

from flask import Response, current_app, redirect

from flaskauth.accounts.models import User
from flaskauth.core.context import settings
from flaskauth.core.errors import NotFound, Overloaded
from flaskauth.core.http.request import Blueprint, public, raises
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.mfa.factors import FactorRequired, FactorsDisabled
from flaskauth.mfa.schemas import FactorChangedResponse, FactorNameRequest
from flaskauth.passkeys import service
from flaskauth.passkeys.schemas import (
    CreationOptionsRequest,
    OptionsResponse,
    PasskeyEndpointsResponse,
    PasskeyResponse,
    RegistrationRequest,
    RegistrationResponse,
    RelatedOriginsResponse,
)
from flaskauth.passkeys.service import Registration, RegistrationData
from flaskauth.sessions.decorators import allow_enrolment, current_auth, fresh_auth_required

bp = Blueprint("passkeys", __name__, tag="Second factors", url_prefix="/users/factors/passkeys")
WELL_KNOWN = "/.well-known"
RULE_AT_ROOT = f"{WELL_KNOWN}/<any('webauthn', 'passkey-endpoints', 'change-password'):name>"
"""Paths that clients request at the root of a host. With a variable, a rule of the host for a path takes precedence."""
PASSKEYS_PAGE, PASSWORD_PAGE = "/account/passkeys", "/account/password"

well_known_bp = Blueprint("well_known", __name__, tag="Reference", url_prefix=WELL_KNOWN)


@bp.post("/options")
@rate_limit("verify")
@fresh_auth_required
@allow_enrolment
@raises(FactorsDisabled)
@bp.input(CreationOptionsRequest, arg_name="form")
@bp.output(OptionsResponse)
def get_passkey_creation_options(_user: User, form: dict[str, str]) -> dict[str, object]:
    """Request the options to create a passkey or a security key.

    Pass `options` to `PublicKeyCredential.parseCreationOptionsFromJSON` and the result to
    `navigator.credentials.create`. They are valid for 5 minutes, in this session. A passkey can sign in by itself; a
    security key is only a second factor.
    """
    return {"options": service.registration_options(current_auth(), form["kind"])}


@bp.post("")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(FactorsDisabled, Overloaded)
@bp.input(RegistrationRequest, arg_name="form")
@bp.output(RegistrationResponse)
def register_passkey(_user: User, form: RegistrationData) -> Registration:
    """Register the created passkey or security key.

    The response has recovery codes if it is the first factor. They are shown only once.
    """
    return service.register(current_auth(), form)


@bp.patch("/<int:passkey_id>")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(NotFound)
@bp.input(FactorNameRequest, arg_name="form")
@bp.output(PasskeyResponse)
def rename_passkey(_user: User, passkey_id: int, form: dict[str, str]) -> dict[str, object]:
    """Rename a passkey or security key.

    The name is shown in the list and in mails.
    """
    return {"passkey": service.rename(current_auth(), passkey_id, form["name"])}


@bp.delete("/<int:passkey_id>")
@rate_limit()
@fresh_auth_required
@allow_enrolment
@raises(NotFound, FactorRequired)
@bp.output(FactorChangedResponse)
def remove_passkey(_user: User, passkey_id: int) -> dict[str, object]:
    """Remove a passkey or security key.

    The other sessions are revoked. Without a factor, MFA is turned off and the recovery codes are removed.
    """
    service.remove(current_auth(), passkey_id)
    return {}


@well_known_bp.get("/webauthn")
@public
@well_known_bp.output(RelatedOriginsResponse)
def list_related_origins() -> dict[str, object]:
    """List the origins outside the RP ID where passkeys may be used.

    Browsers read this file from the RP ID (WebAuthn section 5.11).
    """
    return {"origins": settings().related_origins}


@well_known_bp.get("/passkey-endpoints")
@public
@well_known_bp.output(PasskeyEndpointsResponse)
def list_passkey_pages() -> dict[str, object]:
    """List the pages where users add and manage passkeys.

    Password managers read this file (W3C Passkey Endpoints). It is empty if the server has no such page.
    """
    url = _page_url(PASSKEYS_PAGE)
    return {"enroll": url, "manage": url} if url else {}


@well_known_bp.get("/change-password")
@public
@raises(NotFound)
@well_known_bp.doc(hide=True)  # for browsers: it has no 2xx response
def redirect_to_change_password() -> Response:
    """Redirect to the page where users change their password.

    Password managers open this URL (W3C Well-Known URL for Changing Passwords).
    """
    if url := _page_url(PASSWORD_PAGE):
        return redirect(url, 303)  # type: ignore[return-value]
    raise NotFound


def _page_url(path: str) -> str | None:
    """Return the URL of a hosted page, or None if the application does not serve it."""
    has_page = any(rule.rule == path for rule in current_app.url_map.iter_rules())
    return f"{settings().public_url}{path}" if has_page else None
