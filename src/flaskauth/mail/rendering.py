"""Render a mail: subject, text and HTML from the package's templates, with the code or link that no row stores."""

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from importlib.resources import files

from css_inline import CSSInliner
from jinja2 import BaseLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined, select_autoescape

from flaskauth.core import email_addresses
from flaskauth.core.context import settings
from flaskauth.mail.headers import sender_address
from flaskauth.mail.models import DEFAULT_LOCALE, OutboxMail
from flaskauth.mail.text import as_title, isolate, to_one_line

PACKAGE = "flaskauth"
TEMPLATE_FOLDER = "templates/mail"
RTL_LANGUAGES = {"ar", "dv", "fa", "he", "ps", "ug", "ur", "yi"}


def render(mail: OutboxMail, code: str, link: str = "") -> EmailMessage:
    """Return the message to send. Rendering the same row again returns the same message.

    Raises:
        InvalidEmail: the recipient is not an email address that `parse` accepts.
    """
    locale = _select_locale(mail.template, mail.locale)
    context = {name: to_one_line(value) for name, value in mail.context.items()}
    context |= {"app_name": to_one_line(settings().app_name), "code": code, "link": link}
    context |= {"locale": locale, "direction": "rtl" if locale in RTL_LANGUAGES else "ltr"}
    context["subject"] = to_one_line(_render_template(mail.template, locale, ".subject.txt", context))
    message = _build_envelope(mail)
    message["Subject"] = context["subject"]
    message.set_content(_render_template(mail.template, locale, ".txt", context))
    message.add_alternative(
        _css_inliner().inline(_render_template(mail.template, locale, ".html", context)), subtype="html"
    )
    message["Content-Language"] = locale  # set last: setting the content removes all Content-* fields
    return message


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Return the languages that have mail templates, English first. Each template folder is one language."""
    folders = (files(PACKAGE).joinpath(package, TEMPLATE_FOLDER) for package in _packages_with_mail())
    names = {entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()}
    return (DEFAULT_LOCALE, *sorted(names - {DEFAULT_LOCALE}))


def _build_envelope(mail: OutboxMail) -> EmailMessage:
    to = email_addresses.parse(mail.recipient).to_header()
    # 7bit bodies pass every server. Header fields are UTF-8 only if an address is not ASCII.
    message = EmailMessage(SMTP.clone(cte_type="7bit", utf8=not (to.addr_spec + sender_address().addr_spec).isascii()))
    message["From"] = sender_address()
    message["To"] = to
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
    return message


def _render_template(template: str, locale: str, suffix: str, context: dict[str, str]) -> str:
    package, _, name = template.partition("/")
    return _template_environment().get_template(f"{package}/{locale}/{name}{suffix}").render(context)


def _select_locale(template: str, requested: str) -> str:
    """Return the best language that the template exists in: "pt-BR", else "pt", else English."""
    package, _, name = template.partition("/")
    tag = requested.lower()
    choices = [f"{package}/{locale}/{name}.txt" for locale in (tag, tag.partition("-")[0], DEFAULT_LOCALE)]
    return str(_template_environment().select_template(choices).name).split("/")[-2]


@lru_cache(maxsize=1)
def _template_environment() -> Environment:
    loaders: dict[str, BaseLoader] = {
        package: PackageLoader(PACKAGE, f"{package}/{TEMPLATE_FOLDER}") for package in _packages_with_mail()
    }
    environment = Environment(
        loader=PrefixLoader(loaders),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"isolated": isolate, "as_title": as_title}
    return environment


def _packages_with_mail() -> Iterator[str]:
    for package in files(PACKAGE).iterdir():
        if package.joinpath(TEMPLATE_FOLDER).is_dir():
            yield package.name


@lru_cache(maxsize=1)
def _css_inliner() -> CSSInliner:
    """Return an inliner for clients that ignore style sheets. @media rules (dark mode) stay in the style sheet."""
    return CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
