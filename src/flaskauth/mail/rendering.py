"""Make the message: subject, text and HTML from a room's templates, with the code or link that no row holds."""

from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from importlib.resources import files

from css_inline import CSSInliner
from jinja2 import BaseLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined, select_autoescape

from flaskauth.foundation.current import settings
from flaskauth.mail.addresses import address, sender
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.text import isolated, one_line

PACKAGE = "flaskauth"
FOLDER = "templates/mail"
FALLBACK = "en"
RIGHT_TO_LEFT = {"ar", "dv", "fa", "he", "ps", "ug", "ur", "yi"}


def render(mail: OutboxMail, code: str, link: str = "") -> EmailMessage:
    """The message, ready to be sent; the same row gives the same message each time."""
    locale = _locale(mail.template, mail.locale)
    context = {name: one_line(value) for name, value in mail.context.items()}
    context |= {"app_name": one_line(settings().app_name), "code": code, "link": link}
    context |= {"locale": locale, "direction": "rtl" if locale in RIGHT_TO_LEFT else "ltr"}
    context["subject"] = one_line(_fill(mail.template, locale, ".subject.txt", context))
    message = _envelope(mail)
    message["Subject"] = context["subject"]
    message.set_content(_fill(mail.template, locale, ".txt", context))
    message.add_alternative(_inliner().inline(_fill(mail.template, locale, ".html", context)), subtype="html")
    message["Content-Language"] = locale  # the last, as setting content clears all fields of this kind
    return message


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """The languages that mails are written in, English first: one for each folder of templates."""
    folders = (files(PACKAGE).joinpath(room, FOLDER) for room in _rooms())
    found = {entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()}
    return (FALLBACK, *sorted(found - {FALLBACK}))


def _envelope(mail: OutboxMail) -> EmailMessage:
    to = address(mail.recipient)
    # 7bit: bodies are encoded for every server; header fields are UTF-8 only where an address leaves no choice.
    message = EmailMessage(SMTP.clone(cte_type="7bit", utf8=not (to.addr_spec + sender().addr_spec).isascii()))
    message["From"] = sender()
    message["To"] = to
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notices in return
    return message


def _fill(template: str, locale: str, ending: str, context: dict[str, str]) -> str:
    room, _, name = template.partition("/")
    return _templates().get_template(f"{room}/{locale}/{name}{ending}").render(context)


def _locale(template: str, wanted: str) -> str:
    """The language that the template is there in: "pt-BR", else "pt", else English."""
    room, _, name = template.partition("/")
    tag = wanted.lower()
    choices = [f"{room}/{locale}/{name}.txt" for locale in (tag, tag.partition("-")[0], FALLBACK)]
    return str(_templates().select_template(choices).name).split("/")[-2]


@lru_cache(maxsize=1)
def _templates() -> Environment:
    loaders: dict[str, BaseLoader] = {room: PackageLoader(PACKAGE, f"{room}/{FOLDER}") for room in _rooms()}
    found = Environment(
        loader=PrefixLoader(loaders),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
    )
    found.filters["isolated"] = isolated
    return found


def _rooms() -> Iterator[str]:
    for room in files(PACKAGE).iterdir():
        if room.joinpath(FOLDER).is_dir():
            yield room.name


@lru_cache(maxsize=1)
def _inliner() -> CSSInliner:
    """Style attributes for clients that drop style sheets; what only a sheet can say (dark mode) stays in one."""
    return CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
