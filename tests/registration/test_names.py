"""Which names, countries and languages people may give."""

from html import escape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.inside import hashes
from tests.people import Mailbox, People, Person
from tests.registration.asking import attempt, elsewhere, errors_of, register, verify
from tests.tables import TRAIL, contents

NAMES = ("D'Arcy-Jones", "José", "Nguyễn", "山田", "O", "محمد", "नी\u200dल", "m" * 100)
LITERAL = ("{{7*7}}", "{% raw %}", "${7*7}", "=cmd()", "%s", "a\\b", "' OR 1=1 --", "&amp;")
NOT_NAMES: tuple[Any, ...] = (
    "",
    "   ",
    "m" * 101,
    "<b>",
    "Grace>",
    "http://evil.example",
    "WWW.evil.example",
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
NOT_COUNTRIES: tuple[Any, ...] = ("XX", "ZZ", "UK", "NGA", "N", "", "N ", "ÑG", "566", "%_", 566, None, ["NG"])
NOT_LANGUAGES: tuple[Any, ...] = ("e", "english", "en_GB", "en-", "../en", "e\x00", "x" * 17, "", 1, None)


def joined_as(people: People, **names: str) -> dict[str, Any]:
    """The account of somebody who joins under these names."""
    email = f"{elsewhere()}@example.com"
    asked = attempt(people, email, elsewhere(), **names)
    assert verify(people.client, asked.code, verification_id=asked.id).status_code == 200
    user: dict[str, Any] = Person(people.client, email).signed_in(elsewhere())["user"]
    return user


def test_names_of_every_script_are_kept_as_they_are_given_but_trimmed(people: People) -> None:
    for first, last in zip(NAMES[::2], NAMES[1::2], strict=True):
        user = joined_as(people, first_name=f" {first}\n", last_name=last)
        assert (user["first_name"], user["last_name"]) == (first, last)


def test_what_looks_like_a_program_is_only_letters(people: People, mailbox: Mailbox) -> None:
    for number, name in enumerate(LITERAL):
        people.pending(f"p{number}@example.com", elsewhere(), first_name=name)

    mails = {mail["to"]: mail for mail in mailbox.wait(len(LITERAL))}
    for number, name in enumerate(LITERAL):
        mail = mails[f"p{number}@example.com"]
        assert f"Hello {name}," in mail["text"]
        assert f"Hello {escape(name, quote=False)}</h1>" in html_text(mail["html"])


def html_text(html: str) -> str:
    return html.replace("&#39;", "'")


def test_what_no_name_has_is_refused_before_anything_is_done(app: Flask, client: FlaskClient) -> None:
    before, hashed = contents(app, but=TRAIL), hashes(app)
    for name in NOT_NAMES:
        for field in ("first_name", "last_name"):
            assert list(errors_of(client, **{field: name})) == [field], name

    assert (contents(app, but=TRAIL), hashes(app)) == (before, hashed)


def test_a_country_is_named_by_two_letters_in_capitals_or_not(people: People) -> None:
    for country in ("NG", "ng"):
        user = joined_as(people, country=country)
        assert (user["country_id"], user["country"]) == (566, {"id": 566, "name": "Nigeria", "code": "NG"})


def test_an_unknown_country_is_refused_before_anything_is_done(app: Flask, client: FlaskClient) -> None:
    before, hashed = contents(app, but=TRAIL), hashes(app)
    for country in NOT_COUNTRIES:
        assert list(errors_of(client, country=country)) == ["country"], country

    assert (contents(app, but=TRAIL), hashes(app)) == (before, hashed)


def test_a_language_is_a_tag(client: FlaskClient) -> None:
    for locale in ("en", "pt-BR", "zh-Hant-TW", "gsw"):
        assert register(client, at=elsewhere(), locale=locale).status_code == 200
    for locale in NOT_LANGUAGES:
        assert list(errors_of(client, locale=locale)) == ["locale"], locale
