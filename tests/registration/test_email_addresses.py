"""Validation and normalization of email addresses, and when two addresses are equal."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from tests.registration.helpers import register, registration_errors, start_registration, unused_ip, verify
from tests.support.db_snapshot import BOOKKEEPING_TABLES, table_contents
from tests.support.inspect import hash_count
from tests.support.users import Mailbox, TestUser, UserFactory

from flaskauth.core.email_addresses import InvalidEmail, parse

VALID_EMAILS = (
    "o'neil@example.ie",
    "grace+tag@example.com",
    "Grüße@bücher.example",
    "g.r.a.c.e@mail.example.co.uk",
    "_-!#$%&*?=^`{|}~/@example.com",
    "ada%example.org@example.com",  # only the mail server of example.com may read it as a route (RFC 5321 2.3.11)
    "example.org!ada@example.com",
    "grace@xn--bcher-kva.example",
    "grace@EXAMPLE.technology",
    "g" * 64 + "@example.com",
    "grace@corp.local",
    "grace@nas.home.arpa",
    "grace@app.localhost",
    "grace@localhost",
    "grace@server.internal",
    "grace@printer.lan",
    "grace@mail.test",
)
# Python's email package decodes it: the first one adds a second recipient, header fields and a body.
ENCODED_WORDS = (
    "=?utf-8?b?eEB5LnoNCkJjYzogdmljdGltQGV4YW1wbGUubmV0DQpYOiA=?=@example.com",
    "=?utf-8?q?ada=2C?=grace@example.com",
    "grace=?utf-8?q?=40example.org=2C?=@example.com",
    "=?@example.com",
    "\uff1d\uff1futf-8\uff1fq\uff1fx\uff1f\uff1d@example.com",
)
# Characters that a mail program normalizes to syntax: @ , ; : < > " \\ ( ) [ ] or white space.
COMPATIBILITY_CHARACTERS = (
    *"\uff20\ufe6b\uff0c\ufe50\ufe10\u037e\uff1b\ufe14\ufe54\uff1a\ufe13\ufe55\u2a74\uff1c\ufe64\uff1e\ufe65\uff02",
    *"\uff3c\ufe68\u226e\u226f\uff08\u207d\uff3b\u00a0\u2003\u3000\u00a8\u00b4\ufdfa\u2474\U0001f101",
    *("<\u0338", ">\u0338"),
)
INVALID_EMAILS = (
    "grace@example.com\r\nBcc: ada@example.com",
    "grace@exam\u0085ple.com",
    "gra ce@example.com",
    "grace\u00a0@example.com",
    "grace\x00@example.com",
    "\x00grace@example.com",
    "grace@example.com\x1f",
    "grace@example.com\x7f",
    "gra\u200bce@example.com",
    "\u202egrace@example.com",
    "\u0301grace@example.com",
    *ENCODED_WORDS,
    *(f"a{text}b@example.com" for text in COMPATIBILITY_CHARACTERS),
    *(f"ab@exam{text}ple.com" for text in COMPATIBILITY_CHARACTERS),
    '"e@evil.example"@example.com',
    '"grace"@example.com',
    "grace@[127.0.0.1]",
    "grace@example",
    "grace@example.",
    "grace@example.com.",
    "grace@192.0.2.1",
    "grace(x)@example.com",
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
    "g" * 243 + "@example.com",
    ["grace@example.com", "evil@example.com"],
    {"grace@example.com": 1},
    1,
    None,
    True,
)
EMAIL_LIKE_TEXT = st.builds("{}@{}".format, st.text(max_size=70), st.text(max_size=70))


def test_register_sends_mail_to_email_as_typed(client: FlaskClient, mailbox: Mailbox) -> None:
    for email in VALID_EMAILS[:3]:
        assert register(client, email, unused_ip()).status_code == 200

    assert {mail["to"] for mail in mailbox.wait(3)} == {*VALID_EMAILS[:2], "Grüße@xn--bcher-kva.example"}


@pytest.mark.parametrize("email", VALID_EMAILS)
def test_parse_email_is_idempotent_and_case_insensitive(email: str) -> None:
    assert parse(parse(email).original) == parse(email)
    assert parse(email.upper().replace("SS", "ẞ")).normalized == parse(email).normalized
    assert parse(email.lower()).normalized == parse(email).normalized


def test_register_with_invalid_email_has_no_side_effects(app: Flask, client: FlaskClient) -> None:
    before, hashes_before = table_contents(app, excluded=BOOKKEEPING_TABLES), hash_count(app)
    for email in INVALID_EMAILS:
        assert registration_errors(client, email=email) == {"email": ["Invalid Email!"]}, email

    assert (table_contents(app, excluded=BOOKKEEPING_TABLES), hash_count(app)) == (before, hashes_before)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("müller@bücher.example", "MÜLLER@xn--bcher-kva.EXAMPLE"),
        ("mu\u0308ller@example.com", "m\u00fcller@example.com"),
        ("ὈΔΟΣ.ΟΔΌΣ@example.com", "ὀδοσ.οδός@EXAMPLE.com"),  # the final sigma is a spelling of sigma
    ],
)
def test_unicode_equivalent_emails_are_one_account(users: UserFactory, one: str, other: str) -> None:
    registration = start_registration(users, one)
    assert verify(users.client, registration.code, email=other).status_code == 200

    user = TestUser(users.client, other).login_ok()["user"]
    assert user["email"] == parse(one).original


@pytest.mark.parametrize(
    ("one", "other"), [("grace@example.com", "grace+1@example.com"), ("a.b@example.com", "ab@example.com")]
)
def test_email_tags_and_dots_are_significant(one: str, other: str) -> None:
    assert parse(one).normalized != parse(other).normalized


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("jose@example.com", "josé@example.com"),
        ("øre@example.com", "ore@example.com"),
        ("a@bucher.example", "a@bücher.example"),
        ("gruß@example.com", "gruss@example.com"),
        ("ﬁn@example.com", "fin@example.com"),
        ("ﬀ.ſ.K@example.com", "ff.s.k@example.com"),  # noqa: RUF001
    ],
)
def test_unicode_emails_equal_by_collation_are_two_accounts(users: UserFactory, one: str, other: str) -> None:
    for email in (one, other):
        registration = start_registration(users, email)
        assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200

    ids = {TestUser(users.client, email).login_ok()["user"]["id"] for email in (one, other)}
    assert len(ids) == 2


@given(st.one_of(st.text(), st.emails(), EMAIL_LIKE_TEXT))
@example("a@\u0660\u0661.com")
@example("a@xn--\u0660.com")
@example("\ud800@example.com")
def test_parse_email_of_any_text_returns_or_raises(text: str) -> None:
    try:
        address = parse(text)
    except InvalidEmail:
        return
    assert parse(address.original) == address
    assert len(address.normalized.encode()) <= 320
    assert not any(letter.isspace() for letter in address.original)
