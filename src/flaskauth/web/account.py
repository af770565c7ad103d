"""/account, and below it /profile, /avatar, /activity, /export and /delete."""

from typing import cast

from flask import Response as FlaskResponse
from flask import request
from werkzeug.wrappers import Response

from flaskauth.account_deletion import service as account_deletion
from flaskauth.accounts.schemas import UserSchema
from flaskauth.avatars import service as avatars
from flaskauth.avatars.schemas import AvatarRequest
from flaskauth.core.errors import APIError, ValidationFailed
from flaskauth.core.http.request import stream_with_app_context
from flaskauth.core.http.request_limits import rate_limit
from flaskauth.core.translations import languages, select_language
from flaskauth.countries import service as countries
from flaskauth.extras import missing_extra
from flaskauth.mfa import factors
from flaskauth.profile import export, service
from flaskauth.profile.schemas import ActivityQuery, EditRequest
from flaskauth.profile.service import ProfileChanges
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, MfaEnrolmentRequired, ReauthenticationRequired
from flaskauth.sessions.device_names import device_name
from flaskauth.web import cookies, forms, page_session, urls
from flaskauth.web.blueprint import bp
from flaskauth.web.decorators import account_page
from flaskauth.web.event_texts import EVENT_TEXTS
from flaskauth.web.factors import accepted_credentials
from flaskauth.web.rendering import redirect_with_notice, render

PROFILE, AVATAR = "/account/profile", "/account/avatar"


@bp.get(urls.ACCOUNT)
@account_page()
def account(auth: AuthContext) -> Response:
    """Show the account with links to its pages."""
    overview = factors.overview(auth.user)
    return render(
        "account.html",
        avatar_url=_avatar_url(auth),
        has_avatars=missing_extra("avatars") is None,
        overview=overview,
        accepted=accepted_credentials(auth.user, overview),
        session_count=len(sessions.active_sessions(auth.user.id)),
    )


@bp.get(PROFILE)
@account_page()
def profile_page(auth: AuthContext) -> Response:
    """Show the form for names, country and language."""
    return _render_profile(auth)


@bp.post(PROFILE)
@rate_limit()
@account_page()
def edit_profile(auth: AuthContext) -> Response:
    """Change names, country and language."""
    language = request.form.get("locale", "")
    # The user's tag may have a region, such as pt-BR. Only a selected language replaces it.
    is_same = language == select_language(auth.user.locale, languages())
    first_name = request.form.get("first_name")  # an empty one is invalid, not missing
    try:
        changes = forms.load(EditRequest, dict, first_name=first_name, **({"locale": None} if is_same else {}))
        service.edit(auth, cast("ProfileChanges", changes))
    except APIError as error:
        return _render_profile(auth, error)
    response = redirect_with_notice(PROFILE, "saved")
    cookies.put_language(response, language if language in languages() else languages()[0])
    return response


@bp.get(AVATAR)
@account_page()
def avatar_page(auth: AuthContext) -> Response:
    """Show the form that uploads an avatar."""
    return render("avatar.html", avatar_url=_avatar_url(auth))


@bp.post(AVATAR)
@rate_limit()
@account_page()
def upload_avatar(auth: AuthContext) -> Response:
    """Convert and store the avatar."""
    avatar_url = _avatar_url(auth)
    try:
        avatars.set_avatar(auth, forms.load_file(AvatarRequest, "avatar"))
    except APIError as error:
        return render("avatar.html", error=error, avatar_url=avatar_url)
    return redirect_with_notice(AVATAR, "saved")


@bp.post("/account/avatar/remove")
@rate_limit()
@account_page()
def remove_avatar(auth: AuthContext) -> Response:
    """Remove the avatar."""
    avatars.remove_avatar(auth)
    return redirect_with_notice(AVATAR, "avatar_removed")


@bp.get("/account/activity")
@account_page()
def activity(auth: AuthContext) -> Response:
    """List the events of the account, the newest first."""
    page = service.list_activity(auth.user.id, **forms.load(ActivityQuery, dict))
    events = [
        (EVENT_TEXTS.get(event.name, event.name), event, device_name(event.device) if event.device else "")
        for event in page.events
    ]
    return render("activity.html", events=events, next_cursor=page.next)


@bp.get("/account/export")
@account_page(fresh=True, allows_pending_deletion=True)
def export_page(_auth: AuthContext) -> Response:
    """Show the button that downloads all stored data."""
    return render("export.html")


@bp.post("/account/export")
@rate_limit()
@account_page(fresh=True, allows_pending_deletion=True)
def export_account(auth: AuthContext) -> Response:
    """Download all stored data."""
    try:
        chunks = stream_with_app_context(export.export(auth))
    except APIError as error:
        return render("export.html", error=error)
    disposition = {"Content-Disposition": 'attachment; filename="account.json"'}
    return FlaskResponse(chunks, mimetype="application/json", headers=disposition)


@bp.get(urls.DELETE)
@account_page(allows_pending_deletion=True, allows_enrolment=True)
def delete_page(auth: AuthContext) -> Response:
    """Show the form that schedules the deletion, or the one that cancels it, also to a user without second factor."""
    if auth.user.deletion_due_at is None and auth.must_enrol:
        raise MfaEnrolmentRequired
    if auth.user.deletion_due_at is None and not auth.is_fresh:
        raise ReauthenticationRequired
    return _render_delete(auth)


@bp.post(urls.DELETE)
@rate_limit()
@account_page(fresh=True)
def delete_account(auth: AuthContext) -> Response:
    """Schedule the deletion. All sessions are revoked."""
    if "understood" not in request.form:
        return _render_delete(auth, ValidationFailed({"understood": [forms.UNTICKED]}))
    account_deletion.request_deletion(auth)
    response = redirect_with_notice(urls.SIGN_IN, "deletion_scheduled")
    page_session.end(response)
    return response


@bp.post("/account/delete/restore")
@rate_limit()
@account_page(allows_pending_deletion=True, allows_enrolment=True)
def restore_account(auth: AuthContext) -> Response:
    """Cancel the deletion."""
    account_deletion.restore(auth)
    return redirect_with_notice(urls.ACCOUNT, "restored")


def _render_profile(auth: AuthContext, error: APIError | None = None) -> Response:
    user = auth.user
    return render(
        "profile.html",
        error=error,
        countries=countries.list_countries(),
        country=request.form.get("country") or (user.country.code if user.country else ""),
        locale=request.form.get("locale") or select_language(user.locale, languages()),
    )


def _render_delete(auth: AuthContext, error: APIError | None = None) -> Response:
    due_at, delay = auth.user.deletion_due_at, account_deletion.DELETION_DELAY.days
    return render("delete.html", error=error, due_at=due_at, delay=delay)


def _avatar_url(auth: AuthContext) -> str | None:
    return cast("str | None", UserSchema(only=("avatar",)).dump(auth.user)["avatar"])
