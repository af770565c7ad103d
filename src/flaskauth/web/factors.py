"""/account/mfa, /account/recovery-codes, /account/passkeys."""

import re
from collections.abc import Sequence

from flask import jsonify, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from flaskauth.accounts.models import User
from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.errors import APIError, ValidationFailed
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.mfa import factors, totp
from flaskauth.mfa.factors import FactorOverview
from flaskauth.mfa.passkey_providers import provider_name
from flaskauth.mfa.schemas import ConfirmRequest, FactorNameRequest
from flaskauth.mfa.totp import Enrolment
from flaskauth.mfa.verification import InvalidFactor
from flaskauth.passkeys import service as passkeys
from flaskauth.passkeys.schemas import CreationOptionsRequest, RegistrationRequest
from flaskauth.passkeys.service import RegistrationData
from flaskauth.sessions.decorators import AuthContext
from flaskauth.sessions.device_names import device_name
from flaskauth.web import forms, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.decorators import account_page
from flaskauth.web.rendering import redirect_with_notice, render

PASSKEYS, RECOVERY_CODES = "/account/passkeys", "/account/recovery-codes"


@bp.get(urls.MFA)
@account_page(fresh=True, allows_enrolment=True)
def mfa_page(auth: AuthContext) -> Response:
    """Show the second factors, and whether sign-ins require one."""
    return _render_mfa(auth)


@bp.post("/account/mfa/<any('on','off'):state>")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def set_mfa(auth: AuthContext, state: str) -> Response:
    """Require a second factor at each sign-in, or no longer."""
    try:
        factors.set_mfa(auth, enabled=state == "on")
    except APIError as error:
        return _render_mfa(auth, error)
    return redirect_with_notice(urls.MFA, f"mfa_{state}")


@bp.post("/account/mfa/apps")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def add_app(auth: AuthContext) -> Response:
    """Show the secret of a new authenticator app. A reload shows the same one."""
    try:
        name = forms.load(FactorNameRequest, dict)["name"]
        enrolment = totp.start_enrolment(auth, name)
    except APIError as error:
        return _render_mfa(auth, error)
    return _render_app(enrolment, name)


@bp.post("/account/mfa/apps/<int:factor_id>/confirm")
@rate_limit("verify")
@account_page(fresh=True, allows_enrolment=True)
def confirm_app(auth: AuthContext, factor_id: int) -> Response:
    """Activate the app with a code of it. With the first factor, show the recovery codes."""
    try:
        codes = totp.confirm(auth, factor_id, forms.load(ConfirmRequest, dict)["otp"])
    except APIError as error:
        return _render_unconfirmed_app(auth, error)
    return _finish_adding(codes, urls.MFA)


@bp.post("/account/mfa/apps/<int:factor_id>/rename")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def rename_app(auth: AuthContext, factor_id: int) -> Response:
    """Rename an app."""
    try:
        totp.rename(auth, factor_id, forms.load(FactorNameRequest, dict)["name"])
    except APIError as error:
        return _render_mfa(auth, error, renamed_id=factor_id)
    return redirect_with_notice(urls.MFA, "saved")


@bp.post("/account/mfa/apps/<int:factor_id>/remove")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def remove_app(auth: AuthContext, factor_id: int) -> Response:
    """Remove an app. The other sessions are revoked."""
    try:
        totp.remove(auth, factor_id)
    except APIError as error:
        return _render_mfa(auth, error)
    return redirect_with_notice(urls.MFA, "factor_removed")


@bp.post("/account/mfa/forget-devices")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def forget_devices(auth: AuthContext) -> Response:
    """Require a second factor on all devices again."""
    factors.clear_remembered_devices(auth)
    return redirect_with_notice(urls.MFA, "devices_forgotten")


@bp.get(RECOVERY_CODES)
@account_page(fresh=True, allows_enrolment=True)
def recovery_codes_page(auth: AuthContext) -> Response:
    """Show how many recovery codes are left."""
    return render("recovery_codes.html", overview=factors.overview(auth.user))


@bp.post(RECOVERY_CODES)
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def create_recovery_codes(auth: AuthContext) -> Response:
    """Replace the recovery codes and show the new ones."""
    try:
        codes = factors.replace_recovery_codes(auth)
    except APIError as error:
        return render("recovery_codes.html", error=error, overview=factors.overview(auth.user))
    return render("new_codes.html", codes=codes, next_page=urls.MFA)


@bp.get(PASSKEYS)
@account_page(fresh=True, allows_enrolment=True)
def passkeys_page(auth: AuthContext) -> Response:
    """Show the passkeys and security keys."""
    return _render_passkeys(auth)


@bp.post("/account/passkeys/options")
@rate_limit("verify")
@account_page(fresh=True, allows_enrolment=True)
def passkey_options(auth: AuthContext) -> Response:
    """Return the options to create a passkey or a security key, for the script."""
    kind = forms.load(CreationOptionsRequest, dict)["kind"]
    return jsonify(options=passkeys.registration_options(auth, kind))


@bp.post(PASSKEYS)
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def add_passkey(auth: AuthContext) -> Response:
    """Register the key that the script has created. With the first factor, show the recovery codes."""
    try:
        registration = passkeys.register(auth, forms.load(RegistrationRequest, RegistrationData))
    except APIError as error:
        return _render_passkeys(auth, error)
    return _finish_adding(registration.recovery_codes, PASSKEYS)


@bp.post("/account/passkeys/<int:passkey_id>/rename")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def rename_passkey(auth: AuthContext, passkey_id: int) -> Response:
    """Rename a key."""
    try:
        passkeys.rename(auth, passkey_id, forms.load(FactorNameRequest, dict)["name"])
    except APIError as error:
        return _render_passkeys(auth, error, renamed_id=passkey_id)
    return redirect_with_notice(PASSKEYS, "saved")


@bp.post("/account/passkeys/<int:passkey_id>/remove")
@rate_limit()
@account_page(fresh=True, allows_enrolment=True)
def remove_passkey(auth: AuthContext, passkey_id: int) -> Response:
    """Remove a key. The other sessions are revoked."""
    try:
        passkeys.remove(auth, passkey_id)
    except APIError as error:
        return _render_passkeys(auth, error)
    return redirect_with_notice(PASSKEYS, "factor_removed")


def accepted_credentials(user: User, overview: FactorOverview) -> dict[str, object] | None:
    """Return what tells password managers which passkeys still exist (WebAuthn section 5.1.10)."""
    if user.webauthn_user_handle is None:
        return None
    ids = [crypto.base64url_encode(passkey.credential_id) for passkey in overview.passkeys if passkey.can_sign_in]
    handle = crypto.base64url_encode(user.webauthn_user_handle)
    return {"rpId": settings().rp_id, "userId": handle, "allAcceptedCredentialIds": ids}


def _render_mfa(auth: AuthContext, error: APIError | None = None, renamed_id: int | None = None) -> Response:
    overview = factors.overview(auth.user)
    return render("mfa.html", error=error, overview=overview, max_apps=totp.MAX_FACTORS, renamed_id=renamed_id)


def _render_unconfirmed_app(auth: AuthContext, error: APIError) -> Response:
    """Show the secret again after a wrong code. After too many of them, the app must be added again."""
    if not isinstance(error, InvalidFactor | ValidationFailed):
        return _render_mfa(auth, error)
    name = forms.load(FactorNameRequest, dict)["name"]
    return _render_app(totp.start_enrolment(auth, name), name, error)


def _render_app(enrolment: Enrolment, name: str, error: APIError | None = None) -> Response:
    """Show the secret, with a QR code that follows the width of the page."""
    svg = re.sub(r'width="(\d+)" height="(\d+)"', r'viewBox="0 0 \1 \2"', enrolment.qr_svg, count=1)
    return render("app.html", error=error, enrolment=enrolment, name=name, qr=Markup(svg))  # noqa: S704 (made by segno)


def _render_passkeys(auth: AuthContext, error: APIError | None = None, renamed_id: int | None = None) -> Response:
    overview = factors.overview(auth.user)
    return render(
        "passkeys.html",
        error=error,
        overview=overview,
        rows=[(passkey, provider_name(passkey.aaguid)) for passkey in overview.passkeys],
        accepted=accepted_credentials(auth.user, overview),
        device=device_name(request.user_agent.string),
        renamed_id=renamed_id,
    )


def _finish_adding(codes: Sequence[str] | None, page: str) -> Response:
    """Show the recovery codes, which are in no other response, or return to the list."""
    if codes is None:
        return redirect_with_notice(page, "factor_added")
    return render("new_codes.html", codes=codes, next_page=page)
