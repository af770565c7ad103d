"""Mails are rendered in the language of their recipient."""

import re
from typing import Any

import pytest
from flask import Flask
from jinja2 import Environment, meta
from tests.mail.helpers import split_lines
from tests.mail.test_mail_rendering import CODE, CONTEXTS, LINK, make_mail, message_part, parse_message
from tests.support.users import (
    CLIENT_IP,
    OTHER_IP,
    Mailbox,
    UserFactory,
    bearer,
    code_in_mail,
    forwarded_for,
    registration_form,
)

from flaskauth.mail.rendering import render
from flaskauth.mail.templates import environment, languages

TRANSLATIONS = ["ar", "fr", "pt", "sw"]
TEMPLATE_SUFFIXES = (".subject.txt", ".txt", ".html")
SUBJECTS = {
    "en": "Account Verification on Flaskauth",
    "ar": "التحقق من الحساب في Flaskauth",
    "fr": "Vérification du compte sur Flaskauth",
    "pt": "Verificação da conta em Flaskauth",
    "sw": "Uthibitishaji wa akaunti kwenye Flaskauth",
}
ACCEPT_LANGUAGES = {
    "pt-BR": "pt",
    "pt-BR, en;q=0.5": "pt",
    "AR-eg": "ar",
    "en;q=0.3, fr;q=0.7": "fr",
    "de-CH, de;q=0.9, sw;q=0.5, en;q=0.1": "sw",
    "fr;q=0, *": "en",
    "*": "en",
    "de, ja;q=0.5": "en",
    "": "en",
    ";q=x,,=;fr-": "en",
    "../../fr": "en",
}
EACH_TRANSLATION = pytest.mark.parametrize("locale", TRANSLATIONS)
EACH_LOCALE = pytest.mark.parametrize("locale", ["en", *TRANSLATIONS])
EACH_TEMPLATE = pytest.mark.parametrize("template", CONTEXTS)
# Words and spellings of European Portuguese: the translation is Brazilian.
EUROPEAN_PORTUGUESE = re.compile(
    r"\b(palavra-passe|utilizador|telemóvel|ecrã|ficheiro|registar|registo|(iniciar|terminar) sessão|elimin|correio"
    r"|equipa\b|tua?s?\b|teus?\b|contigo|(está|estamos|estão) a \w+r\b|acção|actual|direcção|facto\b|a sua\b|o seu\b)",
    re.IGNORECASE,
)
TEMPLATES_WITH_LINK = {
    *("login/new_device", "login/recovery_code_used", "login/second_factor_failed", "passwords/password_removed"),
    "passkeys/counter_regressed",
    *("mfa/factor_added", "mfa/factor_removed", "mfa/recovery_codes_created", "user_admin/factors_reset"),
    *("factor_reset/reset_requested", "factor_reset/reset_done"),
    *("email_change/change_requested", "email_change/email_changed"),
}
EACH_DEVICE_TEMPLATE = pytest.mark.parametrize("template", ["login/new_device", "sessions/token_reused"])
UNKNOWN_DEVICE = {"en": "unknown", "ar": "غير معروف", "fr": "inconnu", "pt": "desconhecido", "sw": "hakijulikani"}
ISOLATED_VARIABLES = {"device", "network", "new_address", "requested_at", "deletion_due_at", "noticed_at", "started_at"}


def render_parts(app: Flask, template: str, locale: str, **context: str) -> tuple[str, str, str]:
    """Return the subject, text and HTML of a rendered mail, parsed as a mail client does."""
    with app.app_context():
        message = parse_message(render(make_mail(template, locale=locale, **context), CODE, LINK))
    return message["Subject"], message_part(message, "plain"), message_part(message, "html")


def template_variables(templates: Environment, template: str, locale: str, suffix: str) -> set[str]:
    """Return the undeclared variables of a template."""
    package, _, name = template.partition("/")
    assert templates.loader
    source = templates.loader.get_source(templates, f"{package}/{locale}/{name}{suffix}")[0]
    return meta.find_undeclared_variables(templates.parse(source))


def html_elements(html: str) -> list[str]:
    """Return the names of the elements in the body, in document order."""
    return re.findall(r"<(\w+)", html[html.index("<body") :])


def html_language(mail: dict[str, Any]) -> str:
    """Return the language of the HTML part, and check its text direction."""
    match = re.search(r'<html lang="([a-z]+)" dir="(ltr|rtl)"', mail["html"])
    assert match, mail["html"][:200]
    assert (match.group(1) == "ar") == (match.group(2) == "rtl")
    return match.group(1)


def register(users: UserFactory, accept_language: str | None = None, at: str = CLIENT_IP, **fields: str) -> str:
    """Register with this Accept-Language header and return the verification id."""
    headers = {**forwarded_for(at), **({} if accept_language is None else {"Accept-Language": accept_language})}
    response = users.client.post("/auth/register", json=registration_form(**fields), headers=headers)
    assert response.status_code == 200, response.text
    return str(response.get_json()["verification_id"])


def test_mail_languages_are_complete() -> None:
    assert languages() == ("en", *TRANSLATIONS)


@EACH_TEMPLATE
@EACH_TRANSLATION
def test_translation_uses_same_variables_as_english(template: str, locale: str) -> None:
    for suffix in TEMPLATE_SUFFIXES:
        assert template_variables(environment(), template, locale, suffix) == template_variables(
            environment(), template, "en", suffix
        ), suffix


@EACH_TEMPLATE
@EACH_TRANSLATION
def test_every_template_renders_in_every_language(read_only_app: Flask, template: str, locale: str) -> None:
    subject, text, html = render_parts(read_only_app, template, locale)

    assert html_language({"html": html}) == locale
    assert len(subject.splitlines()) == 1
    assert "<title>flaskauth</title>" in html  # not the subject, which may contain the code
    for value in CONTEXTS[template].values():
        assert value in text
        assert value in html


@EACH_TEMPLATE
@EACH_TRANSLATION
def test_translation_contains_no_english_text(read_only_app: Flask, template: str, locale: str) -> None:
    english = render_parts(read_only_app, template, "en")
    subject, text, html = render_parts(read_only_app, template, locale)

    assert subject != english[0]
    assert set(split_lines(text)) & set(split_lines(english[1])) <= {"", CODE, LINK}
    assert html_elements(html) == html_elements(english[2])


@EACH_TEMPLATE
def test_portuguese_is_brazilian_throughout(read_only_app: Flask, template: str) -> None:
    for part in render_parts(read_only_app, template, "pt"):
        assert not EUROPEAN_PORTUGUESE.search(part)


@EACH_LOCALE
def test_code_is_on_its_own_line_in_every_language(read_only_app: Flask, locale: str) -> None:
    for template in CONTEXTS:
        _, english, english_html = render_parts(read_only_app, template, "en")
        _, text, html = render_parts(read_only_app, template, locale)
        assert [line for line in split_lines(text) if "2345" in line] == [CODE] * english.count(CODE), template
        assert html.count(CODE) == english_html.count(CODE)


@EACH_TEMPLATE
@EACH_LOCALE
def test_link_is_on_its_own_line_and_in_one_button(read_only_app: Flask, template: str, locale: str) -> None:
    _, text, html = render_parts(read_only_app, template, locale)

    links = [LINK] if template in TEMPLATES_WITH_LINK else []
    assert [line for line in split_lines(text) if "auth.example.com" in line or "#" in line] == links
    assert re.findall(r'<a class="button" href="([^"]*)"', html) == links
    assert html.count(LINK) == html.count("<a ") == len(links)


@EACH_DEVICE_TEMPLATE
@EACH_LOCALE
def test_unknown_device_label_is_translated(read_only_app: Flask, template: str, locale: str) -> None:
    _, text, html = render_parts(read_only_app, template, locale, device="")

    assert UNKNOWN_DEVICE[locale] in text
    assert f">{UNKNOWN_DEVICE[locale]}</td>" in html


@EACH_TEMPLATE
def test_arabic_mail_isolates_direction_of_inserted_values(read_only_app: Flask, template: str) -> None:
    _, text, html = render_parts(read_only_app, template, "ar")

    for name in CONTEXTS[template].keys() & ISOLATED_VARIABLES:
        value = CONTEXTS[template][name]
        assert f": \u2068{value}\u2069\n" in text.replace("\r\n", "\n")
        assert re.search(rf'<td dir="auto"[^>]*text-align: right[^>]*>{re.escape(value)}</td>', html)
    assert all('dir="ltr"' in tag for tag in re.findall(r'<div class="code"[^>]*>', html))


@EACH_LOCALE
def test_secured_mail_says_whether_factors_were_changed(read_only_app: Flask, locale: str) -> None:
    contexts = {"none": ("", ""), "kept": ("", "Tom & Co"), "restored": ("yes", "Tom & Co"), "all gone": ("yes", "")}
    mails = {
        name: render_parts(
            read_only_app, "security_alerts/account_secured", locale, factors_restored=restored, factors=factors
        )
        for name, (restored, factors) in contexts.items()
    }

    for part in (1, 2):
        assert len({mail[part] for mail in mails.values()}) == len(contexts)
    assert [name for name, mail in mails.items() if "Tom & Co" in mail[1]] == ["kept", "restored"]
    assert [name for name, mail in mails.items() if "Tom &amp; Co" in mail[2]] == ["kept", "restored"]


@pytest.mark.parametrize("accept_language", ACCEPT_LANGUAGES)
def test_registration_mail_uses_accept_language(users: UserFactory, accept_language: str) -> None:
    register(users, accept_language)

    [mail] = users.mailbox.wait()
    assert html_language(mail) == ACCEPT_LANGUAGES[accept_language]
    assert mail["subject"] == f"{SUBJECTS[ACCEPT_LANGUAGES[accept_language]]}: {code_in_mail(mail)}"


def test_registration_mail_defaults_to_english(users: UserFactory) -> None:
    register(users)

    assert html_language(users.mailbox.wait()[0]) == "en"


@pytest.mark.parametrize(("locale", "expected"), [("fr", "fr"), ("PT-br", "pt"), ("ar-EG", "ar"), ("ja", "en")])
def test_locale_field_overrides_accept_language(users: UserFactory, locale: str, expected: str) -> None:
    register(users, "sw", locale=locale)

    assert html_language(users.mailbox.wait()[0]) == expected


def test_account_keeps_language_of_registration(users: UserFactory) -> None:
    verification_id = register(users, "pt-PT")
    otp = users.mailbox.code("grace@example.com")
    users.client.post("/auth/verify", json={"otp": otp, "verification_id": verification_id})

    register(users, "fr", OTHER_IP, password="eleven blue lanterns")

    assert html_language(users.mailbox.wait(2)[0]) == "pt"


def test_mail_uses_locale_of_user_profile(users: UserFactory) -> None:
    user = users.create_verified()
    token = user.login_ok()["token"]
    assert users.client.post("/users/edit", json={"locale": "ar"}, headers=bearer(token)).status_code == 200

    register(users, "fr", OTHER_IP, password="eleven blue lanterns", locale="sw")

    mail = users.mailbox.wait(2)[0]
    assert html_language(mail) == "ar"
    assert mail["subject"] == "لديك حساب بالفعل في flaskauth"


def test_mailbox_shows_arabic_right_to_left(users: UserFactory, mailbox: Mailbox) -> None:
    register(users, locale="ar")
    page = mailbox.client.get("/dev/mailbox").text
    script = mailbox.client.get("/dev/mailbox/static/mailbox.js", buffered=True).text

    assert 'dir="rtl"' in mailbox.wait()[0]["html"]
    assert re.search(r'<h2 id="subject" dir="auto">', page)
    assert re.search(r'<pre id="text" dir="auto"', page)
    assert 'subject.dir = "auto"' in script
