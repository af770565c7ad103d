"""Mails are in their reader's language."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import Environment, meta
from tests.mail.office import lines
from tests.mail.test_mail_rendering import CODE, CONTEXTS, LINK, as_sent, mail, part
from tests.people import HERE, THERE, Mailbox, People, bearer, form, network

from flaskauth.mail.rendering import _templates, languages, render

TRANSLATIONS = ["ar", "fr", "pt", "sw"]
ENDINGS = (".subject.txt", ".txt", ".html")
SUBJECTS = {
    "en": "Account Verification on Flaskauth",
    "ar": "التحقق من الحساب في Flaskauth",
    "fr": "Vérification du compte sur Flaskauth",
    "pt": "Verificação da conta em Flaskauth",
    "sw": "Uthibitishaji wa akaunti kwenye Flaskauth",
}
ASKED_FOR = {
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
IN_EACH = pytest.mark.parametrize("locale", TRANSLATIONS)
IN_ALL = pytest.mark.parametrize("locale", ["en", *TRANSLATIONS])
OF_EACH = pytest.mark.parametrize("template", CONTEXTS)
LINKED = {"login/new_device", "email_change/change_requested", "email_change/address_changed"}
OF_A_DEVICE = pytest.mark.parametrize("template", ["login/new_device", "sessions/token_reused"])
UNKNOWN = {"en": "unknown", "ar": "غير معروف", "fr": "inconnu", "pt": "desconhecido", "sw": "hakijulikani"}
TURNED_APART = {"device", "network", "new_address", "asked_at", "closes_at", "noticed_at", "started_at"}


@pytest.fixture(params=["sqlite"])
def database(sqlite_template: Path, tmp_path: Path) -> str:
    """What is said in which language is the same on every database."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path}/test.db"


def rendered(app: Flask, template: str, locale: str, **context: str) -> tuple[str, str, str]:
    """Subject, text and HTML as the reader's side sees them."""
    with app.app_context():
        message = as_sent(render(mail(template, locale=locale, **context), CODE, LINK))
    return message["Subject"], part(message, "plain"), part(message, "html")


def used(templates: Environment, template: str, locale: str, ending: str) -> set[str]:
    """The variables that a template asks for."""
    room, _, name = template.partition("/")
    assert templates.loader
    source = templates.loader.get_source(templates, f"{room}/{locale}/{name}{ending}")[0]
    return meta.find_undeclared_variables(templates.parse(source))


def outline(html: str) -> list[str]:
    """The elements of a mail, in their order."""
    return re.findall(r"<(\w+)", html[html.index("<body") :])


def language(letter: dict[str, Any]) -> str:
    """What a mail says of its own language."""
    found = re.search(r'<html lang="([a-z]+)" dir="(ltr|rtl)"', letter["html"])
    assert found, letter["html"][:200]
    assert (found.group(1) == "ar") == (found.group(2) == "rtl")
    return found.group(1)


def register(people: People, asks_for: str | None = None, at: str = HERE, **sent: str) -> str:
    """Somebody asks to join with a browser that is set to these languages; the verification id."""
    headers = {**network(at), **({} if asks_for is None else {"Accept-Language": asks_for})}
    answer = people.client.post("/auth/register", json=form(**sent), headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["verification_id"])


def test_the_languages_are_these() -> None:
    assert languages() == ("en", *TRANSLATIONS)


@OF_EACH
@IN_EACH
def test_a_translation_uses_what_the_english_uses(template: str, locale: str) -> None:
    for ending in ENDINGS:
        assert used(_templates(), template, locale, ending) == used(_templates(), template, "en", ending), ending


@OF_EACH
@IN_EACH
def test_every_mail_is_there_in_every_language(app: Flask, template: str, locale: str) -> None:
    subject, text, html = rendered(app, template, locale)

    assert language({"html": html}) == locale
    assert len(subject.splitlines()) == 1
    assert f"<title>{subject}</title>" in html
    for value in CONTEXTS[template].values():
        assert value in text
        assert value in html


@OF_EACH
@IN_EACH
def test_nothing_is_left_in_english(app: Flask, template: str, locale: str) -> None:
    english = rendered(app, template, "en")
    subject, text, html = rendered(app, template, locale)

    assert subject != english[0]
    assert set(lines(text)) & set(lines(english[1])) <= {"", CODE, LINK}
    assert outline(html) == outline(english[2])


@IN_ALL
def test_the_code_stands_alone_on_its_line_in_every_language(app: Flask, locale: str) -> None:
    for template in CONTEXTS:
        _, english, english_html = rendered(app, template, "en")
        _, text, html = rendered(app, template, locale)
        assert [line for line in lines(text) if "2345" in line] == [CODE] * english.count(CODE), template
        assert html.count(CODE) == english_html.count(CODE)


@OF_EACH
@IN_ALL
def test_a_link_stands_alone_on_its_line_and_behind_the_one_button(app: Flask, template: str, locale: str) -> None:
    _, text, html = rendered(app, template, locale)

    found = [LINK] if template in LINKED else []
    assert [line for line in lines(text) if "auth.example.com" in line or "#" in line] == found
    assert re.findall(r'<a class="button" href="([^"]*)"', html) == found
    assert html.count(LINK) == html.count("<a ") == len(found)


@OF_A_DEVICE
@IN_ALL
def test_a_device_that_is_not_known_is_called_so_in_the_readers_language(
    app: Flask, template: str, locale: str
) -> None:
    _, text, html = rendered(app, template, locale, device="")

    assert UNKNOWN[locale] in text
    assert f">{UNKNOWN[locale]}</td>" in html


@OF_EACH
def test_what_is_inserted_keeps_its_own_direction_in_an_arabic_text(app: Flask, template: str) -> None:
    _, text, html = rendered(app, template, "ar")

    for name in CONTEXTS[template].keys() & TURNED_APART:
        value = CONTEXTS[template][name]
        assert f": \u2068{value}\u2069\n" in text.replace("\r\n", "\n")
        assert re.search(rf'<td dir="auto"[^>]*text-align: right[^>]*>{re.escape(value)}</td>', html)
    assert all('dir="ltr"' in tag for tag in re.findall(r'<div class="code"[^>]*>', html))


@pytest.mark.parametrize("asks_for", ASKED_FOR)
def test_who_registers_without_a_language_gets_what_the_browser_asks_for(people: People, asks_for: str) -> None:
    register(people, asks_for)

    [letter] = people.mailbox.wait()
    assert language(letter) == ASKED_FOR[asks_for]
    assert letter["subject"] == SUBJECTS[ASKED_FOR[asks_for]]


def test_who_asks_for_nothing_gets_english(people: People) -> None:
    register(people)

    assert language(people.mailbox.wait()[0]) == "en"


@pytest.mark.parametrize(("locale", "found"), [("fr", "fr"), ("PT-br", "pt"), ("ar-EG", "ar"), ("ja", "en")])
def test_a_language_that_is_sent_goes_before_the_browsers(people: People, locale: str, found: str) -> None:
    register(people, "sw", locale=locale)

    assert language(people.mailbox.wait()[0]) == found


def test_the_account_keeps_the_language_that_its_owner_joined_in(people: People) -> None:
    verification_id = register(people, "pt-PT")
    otp = people.mailbox.code("grace@example.com")
    people.client.post("/auth/verify", json={"otp": otp, "verification_id": verification_id})

    register(people, "fr", THERE, password="eleven blue lanterns")

    assert language(people.mailbox.wait(2)[0]) == "pt"


def test_the_next_mail_is_in_the_language_that_the_owner_chose(people: People) -> None:
    person = people.joined()
    token = person.signed_in()["token"]
    assert people.client.post("/users/edit", json={"locale": "ar"}, headers=bearer(token)).status_code == 200

    register(people, "fr", THERE, password="eleven blue lanterns", locale="sw")

    letter = people.mailbox.wait(2)[0]
    assert language(letter) == "ar"
    assert letter["subject"] == "لديك حساب بالفعل في flaskauth"


def test_the_mailbox_shows_arabic_from_right_to_left(people: People, mailbox: Mailbox) -> None:
    register(people, locale="ar")
    page = mailbox.client.get("/dev/mailbox").text
    script = mailbox.client.get("/dev/mailbox/static/mailbox.js", buffered=True).text

    assert 'dir="rtl"' in mailbox.wait()[0]["html"]
    assert re.search(r'<h2 id="subject" dir="auto">', page)
    assert re.search(r'<pre id="text" dir="auto"', page)
    assert 'subject.dir = "auto"' in script
