"""Render a mail: subject, text and HTML from the templates, with the code or link that no row stores."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache

from css_inline import CSSInliner

from flaskauth.colors import text_color_on
from flaskauth.core import crypto, email_addresses
from flaskauth.core.context import settings
from flaskauth.core.translations import text_direction
from flaskauth.mail import templates
from flaskauth.mail.headers import sender_address
from flaskauth.mail.models import DEFAULT_LOCALE, OutboxMail
from flaskauth.mail.serialization import serialize
from flaskauth.mail.text import to_one_line


@dataclass(frozen=True)
class MailParts:
    """The rendered templates of a mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class RenderedMail:
    """A mail to send to one address, in one language: its parts, and the message as bytes (RFC 5322)."""

    to: str
    locale: str
    parts: MailParts
    raw: bytes


def render(mail: OutboxMail, code: str, link: str = "") -> RenderedMail:
    """Return the message to send. Rendering the same row again returns the same message.

    Raises:
        InvalidEmail: the recipient is not an email address that `parse` accepts.
        MessageMismatchError: the bytes do not say what was meant.
    """
    recipient = email_addresses.parse(mail.recipient)
    locale = _select_locale(mail.template, mail.locale)
    parts = render_parts(mail.template, locale, {**mail.context, "code": code, "link": link})
    fields: dict[str, str | Address] = {
        "From": sender_address(),
        "To": recipient.to_header(),
        "Date": format_datetime(mail.created_at),
        "Message-ID": mail.message_id,
        "Auto-Submitted": "auto-generated",  # RFC 3834: prevents automatic replies
        "Subject": parts.subject,
        "Content-Language": locale,
    }
    # The same for each rendering, and unknown to the client whose names the mail contains.
    boundary = crypto.digest("boundary", mail.message_id).hex()[:32]
    raw = serialize(fields, recipient.original, parts.text, parts.html, boundary)
    return RenderedMail(recipient.original, locale, parts, raw)


def render_parts(template: str, locale: str, values: dict[str, str]) -> MailParts:
    """Return the parts of a mail in one language.

    Raises:
        TemplateError: a template does not exist, or uses a value that is not available.
    """
    context = {name: to_one_line(value) for name, value in values.items()} | _brand()
    context |= {"locale": locale, "direction": text_direction(locale)}
    subject, text, html = (_render_part(template, locale, suffix, context) for suffix in templates.SUFFIXES)
    footer = templates.environment().get_template("mail/footer.txt").render(context).strip()
    return MailParts(
        subject=to_one_line(subject),
        text=f"{text.rstrip()}\n\n{footer}".rstrip() + "\n",
        html=_css_inliner().inline(html),
    )


def _brand() -> dict[str, str]:
    """Return the settings that all templates show. A setting that is not set is empty."""
    color = settings().mail_brand_color or ""
    return {
        "app_name": to_one_line(settings().app_name),
        "logo_url": settings().mail_logo_url or "",
        "brand_color": color,
        "brand_text_color": text_color_on(color) if color else "",
        "support_address": settings().mail_support_address or "",
        "postal_address": settings().mail_postal_address or "",
    }


def _render_part(template: str, locale: str, suffix: str, context: dict[str, str]) -> str:
    """Render one part, in English if an operator has not translated it."""
    choices = [templates.file_name(template, language, suffix) for language in (locale, DEFAULT_LOCALE)]
    return templates.environment().select_template(choices).render(context)


def _select_locale(template: str, requested: str) -> str:
    """Return the best language that the template exists in: "pt-BR", else "pt", else English."""
    tag = requested.lower()
    choices = [templates.file_name(template, locale, ".txt") for locale in (tag, tag.partition("-")[0], DEFAULT_LOCALE)]
    return str(templates.environment().select_template(choices).name).split("/")[-2]


@lru_cache(maxsize=1)
def _css_inliner() -> CSSInliner:
    """Return an inliner for clients that ignore style sheets. @media rules (dark mode) stay in the style sheet."""
    return CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)
