"""Which addresses people may give, and when two are one."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from tests.inside import hashes
from tests.people import Mailbox, People, Person
from tests.registration.asking import attempt, elsewhere, errors_of, register, verify
from tests.tables import TRAIL, contents

from flaskauth.accounts.addresses import NotAnAddress, parse

GOOD = (
    "o'neil@example.ie",
    "grace+tag@example.com",
    "Grüße@bücher.example",
    "g.r.a.c.e@mail.example.co.uk",
    "_-!#$%&*=?^`{|}~/@example.com",
    "grace@xn--bcher-kva.example",
    "grace@EXAMPLE.technology",
    "g" * 64 + "@example.com",
)
BAD = (
    "grace@example.com\n",
    "grace@example.com\r\nBcc: ada@example.com",
    " grace@example.com",
    "grace@example.com\u2028",
    "grace@exam\u0085ple.com",
    "gra ce@example.com",
    "grace\u00a0@example.com",
    "grace\x00@example.com",
    '"e@evil.example"@example.com',
    '"grace"@example.com',
    "grace@[127.0.0.1]",
    "grace@example",
    "grace@exa_mple.com",
    "grace@-example.com",
    "grace@.com",
    "grace@example..com",
    ".grace@example.com",
    "grace@@example.com",
    "grace@example.com,ada@example.com",
    "Grace <grace@example.com>",
    "grace%0a@",
    "grace",
    "",
    "@",
    "grace@" + "e" * 64 + ".com",
    "grace@" + "example." * 40 + "com",
    ["grace@example.com", "evil@example.com"],
    {"grace@example.com": 1},
    1,
    None,
    True,
)
ADDRESS_LIKE = st.builds("{}@{}".format, st.text(max_size=70), st.text(max_size=70))


def test_addresses_of_every_kind_are_mailed_at_the_form_that_was_typed(client: FlaskClient, mailbox: Mailbox) -> None:
    for address in GOOD[:3]:
        assert register(client, address, elsewhere()).status_code == 200

    assert {mail["to"] for mail in mailbox.wait(3)} == {*GOOD[:2], "Grüße@xn--bcher-kva.example"}


@pytest.mark.parametrize("address", GOOD)
def test_an_address_is_itself_however_it_is_written(address: str) -> None:
    assert parse(parse(address).typed) == parse(address)
    assert parse(address.upper()).key == parse(address.lower()).key == parse(address).key


def test_what_is_no_plain_address_is_refused_before_anything_is_done(app: Flask, client: FlaskClient) -> None:
    before, hashed = contents(app, but=TRAIL), hashes(app)
    for address in BAD:
        assert errors_of(client, email=address) == {"email": ["Invalid Email!"]}, address

    assert (contents(app, but=TRAIL), hashes(app)) == (before, hashed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("müller@bücher.example", "MÜLLER@xn--bcher-kva.EXAMPLE"),
        ("mu\u0308ller@example.com", "m\u00fcller@example.com"),
        ("strasse@example.com", "straße@EXAMPLE.com"),
    ],
)
def test_one_address_written_in_two_ways_is_one_account(people: People, one: str, other: str) -> None:
    asked = attempt(people, one)
    assert verify(people.client, asked.code, email=other).status_code == 200

    user = Person(people.client, other).signed_in()["user"]
    assert user["email"] == parse(one).typed


@pytest.mark.parametrize(
    ("one", "other"), [("grace@example.com", "grace+1@example.com"), ("a.b@example.com", "ab@example.com")]
)
def test_tags_and_dots_count(one: str, other: str) -> None:
    assert parse(one).key != parse(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jose@example.com", "josé@example.com"),
        ("øre@example.com", "ore@example.com"),
        ("a@bucher.example", "a@bücher.example"),
    ],
)
def test_addresses_that_a_collation_would_take_for_one_are_two_accounts(people: People, one: str, other: str) -> None:
    for email in (one, other):
        asked = attempt(people, email)
        assert verify(people.client, asked.code, verification_id=asked.id).status_code == 200

    ids = {Person(people.client, email).signed_in()["user"]["id"] for email in (one, other)}
    assert len(ids) == 2


@given(st.one_of(st.text(), st.emails(), ADDRESS_LIKE))
@example("a@\u0660\u0661.com")
@example("a@xn--\u0660.com")
@example("\ud800@example.com")
def test_any_text_is_an_address_or_is_not(text: str) -> None:
    try:
        address = parse(text)
    except NotAnAddress:
        return
    assert parse(address.typed) == address
    assert len(address.key.encode()) <= 320
    assert not any(letter.isspace() for letter in text)
