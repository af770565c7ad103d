"""Validation of names, countries and locales at registration."""

from html import escape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.registration.helpers import register, registration_errors, start_registration, unused_ip, verify
from tests.support.db_snapshot import BOOKKEEPING_TABLES, table_contents
from tests.support.inspect import error_of, hash_count
from tests.support.users import Mailbox, TestUser, UserFactory, bearer

VALID_NAMES = ("D'Arcy-Jones", "José", "Nguyễn", "山田", "O", "محمد", "नी\u200dल", "m" * 100)
INJECTION_NAMES = ("{{7*7}}", "{% raw %}", "${7*7}", "=cmd()", "%s", "a\\b", "' OR 1=1 --", "&amp;")
INVALID_NAMES: tuple[Any, ...] = (
    "m" * 101,
    "<b>",
    "Grace>",
    "http://evil.example",
    "WWW.evil.example",
    "\uff57\uff57\uff57.evil.com",
    "www。evil.com",
    "w\u200dww.evil.com",
    "http\uff1a//evil.com",
    "ftp:\uff0f\uff0fevil.com",
    "\uff1cb\uff1e",
    "Gra\nce",
    "Gra\tce",
    "Gra\x00ce",
    "Gra\x7fce",
    "Gra\u202ece",
    "Gra\u200bce",
    "Gra\u2028ce",
    "e" + "\u0301" * 5,
    "e" + "\u20dd" * 5,
    "\u200d",
    "\u3164\ufe0f",
    "a\uffff",
    1,
    None,
    ["Grace"],
    {"a": "b"},
)
INVALID_COUNTRIES: tuple[Any, ...] = ("XX", "ZZ", "UK", "NGA", "N", "", "N ", "ÑG", "566", "%_", 566, None, ["NG"])
INVALID_LOCALES: tuple[Any, ...] = (
    "e",
    "english",
    "en-",
    "../en",
    "e\x00",
    "x" * 17,
    "en-u",
    "en" + "-GB" * 21,
    "",
    1,
    None,
)


def register_user_as(users: UserFactory, **names: str) -> dict[str, Any]:
    """Register and verify a user with these fields, and return the user from the login response."""
    email = f"{unused_ip()}@example.com"
    registration = start_registration(users, email, unused_ip(), **names)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200
    user: dict[str, Any] = TestUser(users.client, email).login_ok(unused_ip())["user"]
    return user


def test_register_trims_and_keeps_unicode_names(users: UserFactory) -> None:
    for first, last in zip(VALID_NAMES[::2], VALID_NAMES[1::2], strict=True):
        user = register_user_as(users, first_name=f" {first}\n", last_name=last)
        assert (user["first_name"], user["last_name"]) == (first, last)


def test_register_without_last_name_is_accepted(users: UserFactory, mailbox: Mailbox) -> None:
    for last_name in ("", " \t"):
        user = register_user_as(users, first_name="Ada", last_name=last_name)
        assert (user["first_name"], user["last_name"]) == ("Ada", "")
        [mail] = mailbox.wait(to=user["email"])
        assert mail["text"].startswith("Hello Ada,\n")
        assert "\n  Name        Ada\n" in mail["text"]

    response = register(users.client, last_name=None)
    assert error_of(response) == (422, "validation_failed")


def test_injection_in_name_is_shown_literally_in_mail(users: UserFactory, mailbox: Mailbox) -> None:
    for number, name in enumerate(INJECTION_NAMES):
        users.register(f"p{number}@example.com", unused_ip(), first_name=name)

    mails = {mail["to"]: mail for mail in mailbox.wait(len(INJECTION_NAMES))}
    for number, name in enumerate(INJECTION_NAMES):
        mail = mails[f"p{number}@example.com"]
        assert f"Hello {name}," in mail["text"]
        assert f"Hello {escape(name, quote=False)}</h1>" in unescape_apostrophes(mail["html"])


def unescape_apostrophes(html: str) -> str:
    return html.replace("&#39;", "'")


def test_register_with_invalid_name_has_no_side_effects(app: Flask, client: FlaskClient) -> None:
    before, hashes_before = table_contents(app, excluded=BOOKKEEPING_TABLES), hash_count(app)
    for name in INVALID_NAMES:
        for field in ("first_name", "last_name"):
            assert list(registration_errors(client, **{field: name})) == [field], name
    for name in ("", "   "):
        assert list(registration_errors(client, first_name=name)) == ["first_name"]

    assert (table_contents(app, excluded=BOOKKEEPING_TABLES), hash_count(app)) == (before, hashes_before)


def test_register_country_code_is_case_insensitive(users: UserFactory) -> None:
    for country in ("NG", "ng"):
        user = register_user_as(users, country=country)
        assert (user["country_id"], user["country"]) == (566, {"id": 566, "name": "Nigeria", "code": "NG"})


def test_register_with_unknown_country_has_no_side_effects(app: Flask, client: FlaskClient) -> None:
    before, hashes_before = table_contents(app, excluded=BOOKKEEPING_TABLES), hash_count(app)
    for country in INVALID_COUNTRIES:
        assert list(registration_errors(client, country=country)) == ["country"], country

    assert (table_contents(app, excluded=BOOKKEEPING_TABLES), hash_count(app)) == (before, hashes_before)


def test_register_locale_must_be_language_tag(client: FlaskClient) -> None:
    for locale in ("en", "pt-BR", "zh-Hant-TW", "gsw"):
        assert register(client, at=unused_ip(), locale=locale).status_code == 200
    for locale in INVALID_LOCALES:
        assert list(registration_errors(client, locale=locale)) == ["locale"], locale


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("pt_BR", "pt-BR"),  # Android and iOS
        ("en-US-u-rg-gbzzzz", "en-US"),  # iOS, where the region differs from that of the language
        ("ar-u-ca-islamic-x-a", "ar"),
        ("sl-Latn-IT-nedis-rozaj", "sl-Latn-IT-nedis"),
    ],
)
def test_register_locale_from_phone_is_shortened(users: UserFactory, sent: str, stored: str) -> None:
    email = f"{unused_ip()}@example.com"
    registration = start_registration(users, email, unused_ip(), locale=sent)
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200
    token = TestUser(users.client, email).login_ok(unused_ip())["token"]

    export = users.client.get("/users/export", headers=bearer(token)).get_json()
    assert export["profile"]["locale"] == stored


def test_register_trims_invisible_marks_of_names(users: UserFactory) -> None:
    user = register_user_as(users, first_name="\ufeff\u200fأحمد\u200e", last_name="\u2067مريم\u2069\xad")
    assert (user["first_name"], user["last_name"]) == ("أحمد", "مريم")

    final_joiner = "അനില്\u200d"  # in Malayalam, it changes the letter
    assert register_user_as(users, first_name=final_joiner)["first_name"] == final_joiner
