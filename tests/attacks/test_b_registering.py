"""B: who registers with somebody else's address, or with what is no address, name or password."""

import json
from html import escape
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from tests.attacks.judging import Judge
from tests.inside import refused, rows
from tests.people import PASSWORD, THERE, Person, form, network
from tests.registration.asking import attempt, elsewhere, register, verify
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User

INVALID = (422, "invalid_input")
VICTIM = "victim@example.com"
OPENED = {"registrations", "one_time_codes", "outbox"}


def asks(client: FlaskClient, **changes: Any) -> TestResponse:
    """Register with anything, from a network of its own."""
    body = {**form("somebody@example.com"), **changes}
    return client.post(
        "/auth/register", data=json.dumps(body), content_type="application/json", headers=network(elsewhere())
    )


def errors(answer: TestResponse) -> set[str]:
    assert refused(answer) == INVALID, answer.text
    return set(answer.get_json()["errors"])


def test_b01_an_address_that_has_an_account(judge: Judge) -> None:
    judge.joined(VICTIM)
    stranger = form(first_name="Mallory", last_name="Intruder")

    def ask(email: str, at: str) -> TestResponse:
        return judge.client.post("/auth/register", json={**stranger, "email": email}, headers=network(at))

    with judge.case(OPENED, mails=2, hashed=2, events={"registration_opened", "registration_known"}):
        judge.alike(ask, VICTIM, "nobody@example.com")
    assert "somebody tried to register" in judge.mailbox.wait(2, to=VICTIM)[0]["text"]


def test_b03_an_account_that_a_stranger_prepares_for_its_victim(judge: Judge) -> None:
    planted = "planted green kettles"
    with judge.case(
        {*OPENED, "users"}, mails=2, hashed=4, events={"registration_opened", "account_created", "sign_in_failed"}
    ):
        attempt(judge.people, VICTIM, THERE, password=planted, first_name="Mallory")
        theirs = attempt(judge.people, VICTIM, elsewhere())
        assert verify(judge.client, theirs.code, elsewhere(), verification_id=theirs.id).status_code == 200
        for _ in range(2):
            body = {"email": VICTIM, "password": planted}
            answer = judge.client.post("/auth/login", json=body, headers=network(elsewhere()))
            assert refused(answer) == (401, "wrong_credentials")
    [user] = rows(judge.app, select(User).where(User.address == VICTIM))
    assert user.first_name == "Grace"


def test_b05_another_line_in_an_address(judge: Judge) -> None:
    lines = (
        "{}\n",
        "\n{}",
        "{}\r\nBcc: evil@example.net",
        "{}%0aBcc:evil@example.net",
        "{}\u2028",
        "{}\u0085",
        "{}\x00",
        "{} ",
    )
    with judge.case(hashed=0):
        for route in judge.bodies:
            for email in lines if "email" in route.names else ():
                assert judge.caller.errors(route, route.body(email=email.format(VICTIM)))["email"] == ["Invalid Email!"]


def test_b07_more_than_one_address(judge: Judge) -> None:
    many = ([VICTIM, "evil@example.net"], {"a": VICTIM}, f"{VICTIM},evil@example.net", f"{VICTIM};evil@example.net")
    with judge.case(hashed=0):
        for route in judge.bodies:
            if "email" in route.names:
                for value in (*many, f"<{VICTIM}>", f"Victim <{VICTIM}>", f"{VICTIM} evil@example.net", [[VICTIM]]):
                    assert list(judge.caller.errors(route, route.body(email=value))) == ["email"], f"{route} {value}"


def test_b09_addresses_of_odd_form(judge: Judge) -> None:
    odd = ('"e@evil.example"@example.com', '"a b"@example.com', "a@[127.0.0.1]", "a@[IPv6:::1]", "a@b", "a@-b.example")
    more = (
        "a@b@example.com",
        "@example.com",
        "a@",
        "a..b@example.com",
        ".a@example.com",
        "a(x)@example.com",
        "a@xn--.com",
    )
    with judge.case(hashed=0):
        for email in (*odd, *more, "a@" + "b." * 125 + "com", "\u0660" * 240 + "@example.com"):
            assert errors(asks(judge.client, email=email)) == {"email"}, email


def test_b11_one_domain_in_two_spellings(judge: Judge) -> None:
    asked = attempt(judge.people, "müller@bücher.example", elsewhere())
    assert verify(judge.client, asked.code, elsewhere(), verification_id=asked.id).status_code == 200
    spelled = "MÜLLER@xn--bcher-kva.example"
    with judge.case({*OPENED, "sessions", "devices", "users"}, mails=1, events={"registration_known", "sign_in"}):
        assert asks(judge.client, email=spelled).status_code == 200
        assert Person(judge.client, spelled).sign_in(at=elsewhere()).status_code == 200


def test_b13_names_that_show_as_something_else(judge: Judge) -> None:
    nothing = (
        "\u200d",
        "\u200c\u200d",
        "\u3164",
        "\u115f\u1160",
        "\uffa0",
        "\u2800",
        "\u034f",
        "\ufe0f",
        "\u180b",
        "\u0301",
    )
    hidden = (
        "\u202eb",
        "\u2066b",
        "\u200bb",
        "\ufeffb",
        "\u00adb",
        "\U000e0041",
        "\ue000",
        "\uffff",
        "\ufdd0",
        "\u0085b",
    )
    storms = ("\u0301" * 9, "\u20dd" * 9, "\u0488" * 9, "\u0301\u200d" * 9)
    with judge.case(hashed=0):
        for name in (*nothing, *(f"a{load}" for load in hidden + storms)):
            for field in ("first_name", "last_name"):
                assert errors(asks(judge.client, **{field: name})) == {field}, ascii(name)


def test_b15_addresses_that_are_only_unusual(judge: Judge) -> None:
    usual = (
        "a+tag@example.com",
        "o'neil@example.ie",
        "x@example.photography",
        "a_b-c.d@sub.sub.example.com",
        "1@example.com",
    )
    with judge.case(OPENED, mails=len(usual), hashed=len(usual), events={"registration_opened"}):
        for email in usual:
            assert asks(judge.client, email=email).status_code == 200, email


def test_b17_passwords_of_every_length(judge: Judge) -> None:
    with judge.case(hashed=0):
        for password, code in {
            "": "invalid_input",
            "x": "weak_password",
            "k3#vQ9!": "weak_password",
            "é" * 513: "invalid_input",
            "😀" * 257: "invalid_input",
            "x" * 60_000: "invalid_input",
            "x" * 10**6: "too_large",
        }.items():
            assert refused(asks(judge.client, password=password))[1] == code, len(password)
    with judge.case(OPENED, mails=2, hashed=2, events={"registration_opened"}):
        for password in ("k3#vQ9!z", "correct horse battery staple " * 8):
            assert asks(judge.client, email=f"{len(password)}@example.com", password=password).status_code == 200


def test_b19_passwords_that_differ_at_their_end(judge: Judge) -> None:
    person = judge.joined(VICTIM, password="kettle lantern anvil " * 5 + "one")
    with judge.case(hashed=2, events={"sign_in_failed"}):
        for password in ("kettle lantern anvil " * 5 + "two", "kettle lantern anvil " * 5):
            assert person.sign_in(password, elsewhere()).status_code == 401
        assert refused(person.sign_in(person.password + "\x00", elsewhere())) == INVALID


def test_b21_names_that_are_programs(judge: Judge) -> None:
    names = (
        "{{7*7}}",
        "{% for x in y %}",
        "${7*7}",
        "#{7*7}",
        "%(password)s",
        "%s%n",
        "=cmd()",
        "`id`",
        "$(id)",
        "{0.__class__}",
    )
    with judge.case(OPENED, mails=len(names), hashed=len(names), events={"registration_opened"}):
        for number, name in enumerate(names):
            assert asks(judge.client, email=f"p{number}@example.com", first_name=name).status_code == 200, name
    mails = {mail["to"]: mail for mail in judge.mailbox.all()}
    for number, name in enumerate(names):
        mail = mails[f"p{number}@example.com"]
        assert f"Hello {name}," in mail["text"]
        assert f"Hello {escape(name, quote=False)}<" in mail["html"].replace("&#39;", "'")
        assert "49" not in mail["text"].replace(mail["message_id"], "").split("code")[0]


def test_b21_names_that_are_links_or_tags(judge: Judge) -> None:
    names = ("<script>", "http://evil.example", "www.evil.example", "a>b", "A" * 200, "hTTp://x", "//x <b>", "a\nb")
    with judge.case(hashed=0):
        for name in names:
            assert errors(asks(judge.client, first_name=name)) == {"first_name"}, name


def test_b23_statements_in_every_field(judge: Judge) -> None:
    loads = (
        "' OR 1=1 --",
        '" OR ""="',
        "\\",
        "\\'",
        "%",
        "_",
        "a;b",
        "') UNION SELECT 1 --",
        "x'||'y",
        "/*",
        "0x41",
        "NULL",
    )
    with judge.case(OPENED, mails=len(loads), hashed=len(loads), events={"registration_opened"}):
        for number, load in enumerate(loads):
            names = {"first_name": load, "last_name": load}
            answer = asks(judge.client, email=f"p{number}@example.com", password=f"{load} {PASSWORD}", **names)
            assert answer.status_code == 200, load
            for field in ("email", "country", "locale"):
                assert errors(asks(judge.client, **{field: load})) == {field}, load


def test_b29_what_an_answer_tells(judge: Judge) -> None:
    judge.joined(VICTIM)
    with judge.case(OPENED, mails=2, hashed=2, events={"registration_opened", "registration_known"}):
        for email in (VICTIM, "nobody@example.com"):
            answer = register(judge.client, email, elsewhere())
            assert set(answer.get_json()) == {"status", "success", "message", "verification_id"}
            assert len(answer.get_json()["verification_id"]) == 22
