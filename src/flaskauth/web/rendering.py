"""Render the pages. A template of the operator replaces the one of the package with the same name."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from urllib.parse import urlsplit

from flask import Response, current_app, request
from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.core.errors import APIError, RetryableError
from flaskauth.core.http.request import is_direct_local_request, preferred_language
from flaskauth.core.observability import metrics
from flaskauth.core.translations import Text, languages, select_language, text_direction, translate
from flaskauth.mail import templates as mail_templates
from flaskauth.mfa.challenges import ChallengeExpired
from flaskauth.passwords.service import PasskeyRequired
from flaskauth.sessions.decorators import (
    AccountPendingDeletion,
    AuthContext,
    MfaEnrolmentRequired,
    ReauthenticationRequired,
)
from flaskauth.settings import is_domain
from flaskauth.signing_keys.access_tokens import InvalidToken
from flaskauth.web import assets, cookies, forms, page_session, urls

TEMPLATE_FOLDER = "web/templates"
EXTENSION_KEY = "flaskauth.web.templates"
LANGUAGE_NAMES = {
    "en": "English",
    "ar": "العربية",
    "fr": "Français",
    "pt": "Português",
    "sw": "Kiswahili",
}
NOTICES = {
    "signed_out": Text("You are signed out."),
    "expired": Text("This sign-in has expired. Please sign in again."),
    "passkey_required": Text("Confirm with a passkey, which replaces the password from then on."),
    "verified": Text("Your email address is verified. You can sign in now."),
    "password_reset": Text("Your password was changed. Sign in with the new password."),
    "password_changed": Text("Your password was changed. All other devices are signed out."),
    "password_removed": Text("Your password was removed. Sign in with your passkey from now on."),
    "code_sent": Text("If a code can be sent, it is on its way."),
    "saved": Text("Your changes are saved."),
    "email_changed": Text("Your email address was changed. All other devices are signed out."),
    "session_ended": Text("The session is ended."),
    "sessions_ended": Text("All other sessions are ended."),
    "factor_added": Text("The second factor is added."),
    "factor_removed": Text("The second factor is removed."),
    "mfa_on": Text("Each sign-in now requires a second factor."),
    "mfa_off": Text("Sign-ins no longer require a second factor."),
    "devices_forgotten": Text("All devices require a second factor again."),
    "avatar_removed": Text("Your avatar was removed."),
    "restored": Text("Your account is restored."),
    "deletion_scheduled": Text("Your account will be deleted. To keep it, sign in again."),
}


def render(template: str, *, error: APIError | None = None, **context: object) -> BaseResponse:
    """Return a page. With an error it shows what is wrong, and keeps what the user entered except secrets.

    If the user needs a different page first, it is a redirect to that page.
    """
    if error:
        metrics.count_error(error.code)
        if redirect := redirect_to_required_page(error):
            return redirect
    form = {"return_to": urls.submitted_return_to(), **_form_state(error)}
    return _render(template, page_session.current(), error, {**form, **context})


def redirect_to_required_page(error: APIError, prefix: str | None = None) -> BaseResponse | None:
    """Return a redirect to the page that the user needs first, or None if the error requires no other page.

    Args:
        prefix: the path at which browsers reach the application; by default that of PUBLIC_URL.
    """
    page = urls.current_page(urls.root_path() if prefix is None else prefix)
    response: BaseResponse | None = None
    match error:
        case InvalidToken():
            response = urls.redirect(urls.SIGN_IN, return_to=page)
            page_session.end(response)
        case ChallengeExpired():
            response = redirect_with_notice(urls.SIGN_IN, "expired")
        case PasskeyRequired():
            response = redirect_with_notice(urls.CONFIRM, "passkey_required", return_to=page)
        case ReauthenticationRequired():
            response = urls.redirect(urls.CONFIRM, return_to=page)
        case MfaEnrolmentRequired():
            response = urls.redirect(urls.MFA)
        case AccountPendingDeletion():
            response = urls.redirect(urls.DELETE)
    return response


def render_public(template: str, *, error: APIError | None = None, **context: object) -> Response:
    """Return a page that is the same with and without a session."""
    if error:
        metrics.count_error(error.code)
    return _render(template, None, error, {"return_to": None, **_form_state(error), **context})


def render_error(error: APIError) -> Response:
    """Return the page for an error that belongs to no form. It does not read the database, which may be unavailable."""
    response = _render("error.html", None, error, {"return_to": None, **_form_state(None)})
    response.status_code = error.status
    return response


def _render(template: str, auth: AuthContext | None, error: APIError | None, context: Mapping[str, object]) -> Response:
    language = page_language(auth)
    notice = cookies.get(cookies.NOTICE) if request.method == "GET" else ""
    shared = {
        "labels": forms.LABELS,
        "app_name": settings().app_name,
        "auth": auth,
        "language": language,
        "direction": text_direction(language),
        "languages": LANGUAGE_NAMES,
        "asset_url": asset_url,
        "logo": assets.logo(),
        "has_theme": assets.find("theme.css") is not None,
        "has_pages": settings().pages,
        "has_email_sign_in": settings().email_sign_in,
        "has_mailbox": settings().has_mailbox and is_direct_local_request(),
        "passkey_url": _passkey_url(),
        "url": urls.url,
        "t": lambda text, **values: translate(Text(text, **values) if values else text, language),
        "notice": NOTICES.get(notice),
        "path": request.path,
        "error": error,
        "error_message": error.to_dict("")["message"] if error else "",
        "wait": _wait(error),
        "password_min_length": settings().password_min_length,
    }
    page = environment().get_template(f"pages/{template}").render({**shared, **context})
    response = Response(page, _status(error), mimetype="text/html")
    response.headers["Content-Language"] = language
    if isinstance(error, RetryableError):
        response.headers.extend(error.headers)
    if notice:
        cookies.delete(response, cookies.NOTICE)
    return response


def redirect_with_notice(path: str, notice: str, **query: str | None) -> BaseResponse:
    """Return a redirect to a page that shows a notice once."""
    assert notice in NOTICES
    response = urls.redirect(path, **query)
    cookies.put_notice(response, notice)
    return response


def page_language(auth: AuthContext | None) -> str:
    """Return the language of a page: that of `?lang`, of the cookie, of the user, or of the browser."""
    for choice in (request.args.get("lang", ""), cookies.get(cookies.LANGUAGE)):
        if choice in languages():
            return choice
    return select_language(auth.user.locale, languages()) if auth else preferred_language(languages())


def environment() -> Environment:
    """Return the templates of the current application. They are compiled once; a new file requires a restart."""
    if EXTENSION_KEY not in current_app.extensions:
        loaders = [loader for loader in mail_templates.operator_loaders() if _has_pages(loader)]
        current_app.extensions[EXTENSION_KEY] = _create_environment(loaders) if loaders else _builtin_environment()
    templates = current_app.extensions[EXTENSION_KEY]
    assert isinstance(templates, Environment)
    return templates


@cache
def builtin_pages() -> dict[str, str]:
    """Return the templates of the package: the text of each by its name, such as "pages/sign_in.html"."""
    templates = _builtin_environment()
    assert templates.loader
    names = (name for name in templates.list_templates() if not name.startswith(mail_templates.BUILTIN_PREFIX))
    return {name: templates.loader.get_source(templates, name)[0] for name in names}


def format_time(value: datetime) -> Markup:
    """Return a time in UTC. The script shows it in the time zone of the user."""
    text = value.strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}">{}</time>').format(clock.to_rfc3339(value), text)


def asset_url(name: str) -> str:
    """Return the URL of an asset. It contains a digest, so browsers cache the file until it changes."""
    return urls.url(f"/pages/{assets.get(name).version}/{name}")


def _has_pages(loader: BaseLoader) -> bool:
    return any(name.startswith(mail_templates.PAGES_PREFIX) for name in loader.list_templates())


@cache
def _builtin_environment() -> Environment:
    return _create_environment(())


def _create_environment(loaders: Iterable[BaseLoader]) -> Environment:
    builtin = PackageLoader("flaskauth", TEMPLATE_FOLDER)
    templates = Environment(
        loader=ChoiceLoader([*loaders, builtin, PrefixLoader({mail_templates.BUILTIN_PREFIX: builtin})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["time"] = format_time
    return templates


def _form_state(error: APIError | None) -> dict[str, object]:
    """Return what the user entered, and what is wrong with it."""
    return {"values": forms.submitted_values() if error else {}, "errors": forms.errors_by_field(error)}


def _status(error: APIError | None) -> int:
    """Return the status of a page: with an error 422, unless the same form may succeed later."""
    if error is None:
        return 200
    return error.status if isinstance(error, RetryableError) else 422


def _passkey_url() -> str | None:
    """Return the URL of this page at the host of PUBLIC_URL if the browser uses an IP address, without passkeys."""
    requested, public = (urlsplit(url).hostname or "" for url in (request.host_url, settings().public_url))
    return f"{settings().public_url}{request.path}" if is_domain(public) and not is_domain(requested) else None


def _wait(error: APIError | None) -> str:
    """Return the time to wait after a 429 or 503 response, such as "45 s" or "3 min"."""
    seconds = error.details.get("retry_after") if error else None
    if not isinstance(seconds, int):
        return ""
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"
