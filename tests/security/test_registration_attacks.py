"""B: registration with other users' email addresses, and invalid email addresses, names and passwords."""

import json
from html import escape
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from tests.registration.helpers import register, start_registration, unused_ip, verify
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of, query_all
from tests.support.users import OTHER_IP, PASSWORD, TestUser, forwarded_for, registration_form
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User

VALIDATION_FAILED = (422, "validation_failed")
VICTIM = "victim@example.com"
REGISTRATION_TABLES = {"registrations", "one_time_codes", "outbox"}


def post_registration(client: FlaskClient, **changes: Any) -> TestResponse:
    """Register with any values, from a new IP."""
    body = {**registration_form("new@example.com"), **changes}
    return client.post(
        "/auth/register", data=json.dumps(body), content_type="application/json", headers=forwarded_for(unused_ip())
    )


def invalid_fields(response: TestResponse) -> set[str]:
    assert error_of(response) == VALIDATION_FAILED, response.text
    return set(response.get_json()["errors"])


def test_b01_register_existing_email_prevents_enumeration(checker: AttackChecker) -> None:
    checker.create_user(VICTIM)
    form = registration_form(first_name="Mallory", last_name="Intruder")

    def send(email: str, at: str) -> TestResponse:
        return checker.client.post("/auth/register", json={**form, "email": email}, headers=forwarded_for(at))

    with checker.expect_only(
        REGISTRATION_TABLES, mails=2, hashes=2, events={"registration_started", "registration_existing_email"}
    ):
        checker.assert_indistinguishable(send, VICTIM, "unknown@example.com")
    assert "Someone tried to register" in checker.mailbox.wait(2, to=VICTIM)[0]["text"]


def test_b03_account_pre_hijacking_fails(checker: AttackChecker) -> None:
    attacker_password = "purple green kettles"
    with checker.expect_only(
        {*REGISTRATION_TABLES, "users"},
        mails=2,
        hashes=4,
        events={"registration_started", "account_created", "sign_in_failed"},
    ):
        start_registration(checker.users, VICTIM, OTHER_IP, password=attacker_password, first_name="Mallory")
        registration = start_registration(checker.users, VICTIM, unused_ip())
        assert (
            verify(checker.client, registration.code, unused_ip(), verification_id=registration.id).status_code == 200
        )
        for _ in range(2):
            body = {"email": VICTIM, "password": attacker_password}
            response = checker.client.post("/auth/login", json=body, headers=forwarded_for(unused_ip()))
            assert error_of(response) == (401, "invalid_credentials")
    [user] = query_all(checker.app, select(User).where(User.normalized_email == VICTIM))
    assert user.first_name == "Grace"


def test_b05_email_header_injection_is_rejected(checker: AttackChecker) -> None:
    templates = (
        "{}\r\nBcc: evil@example.net",
        "{}%0aBcc:evil@example.net",
        "{}\u2028Bcc: evil@example.net",
        "{}\x00",
        "=?utf-8?q?evil=40example.net=2C?={}",
        "evil\uff20example.net\uff0c{}",
        '"evil@example.net,"{}',
    )
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            for email in templates if "email" in route.field_names else ():
                assert checker.api_client.validation_errors(route, route.example_body(email=email.format(VICTIM)))[
                    "email"
                ] == ["Invalid Email!"]


def test_b07_multiple_email_addresses_are_rejected(checker: AttackChecker) -> None:
    values = ([VICTIM, "evil@example.net"], {"a": VICTIM}, f"{VICTIM},evil@example.net", f"{VICTIM};evil@example.net")
    with checker.expect_only(hashes=0):
        for route in checker.json_routes:
            if "email" in route.field_names:
                for value in (*values, f"<{VICTIM}>", f"Victim <{VICTIM}>", f"{VICTIM} evil@example.net", [[VICTIM]]):
                    assert list(checker.api_client.validation_errors(route, route.example_body(email=value))) == [
                        "email"
                    ], f"{route} {value}"


def test_b09_malformed_email_addresses_are_rejected(checker: AttackChecker) -> None:
    quoted_or_literal = (
        '"e@evil.example"@example.com',
        '"a b"@example.com',
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "a@b",
        "a@-b.example",
    )
    malformed = (
        "a@b@example.com",
        "@example.com",
        "a@",
        "a..b@example.com",
        ".a@example.com",
        "a(x)@example.com",
        "a@xn--.com",
    )
    with checker.expect_only(hashes=0):
        for email in (*quoted_or_literal, *malformed, "a@" + "b." * 125 + "com", "\u0660" * 240 + "@example.com"):
            assert invalid_fields(post_registration(checker.client, email=email)) == {"email"}, email


def test_b11_unicode_and_punycode_domain_are_one_account(checker: AttackChecker) -> None:
    registration = start_registration(checker.users, "müller@bücher.example", unused_ip())
    assert verify(checker.client, registration.code, unused_ip(), verification_id=registration.id).status_code == 200
    spelling = "MÜLLER@xn--bcher-kva.example"
    with checker.expect_only(
        {*REGISTRATION_TABLES, "sessions", "devices", "users"},
        mails=1,
        events={"registration_existing_email", "sign_in"},
    ):
        assert post_registration(checker.client, email=spelling).status_code == 200
        assert TestUser(checker.client, spelling).login(at=unused_ip()).status_code == 200


def test_b13_invisible_unicode_in_names_is_rejected(checker: AttackChecker) -> None:
    blank = (
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
    combining_marks = ("\u0301" * 9, "\u20dd" * 9, "\u0488" * 9, "\u0301\u200d" * 9)
    with checker.expect_only(hashes=0):
        for name in (*blank, *(f"a{payload}" for payload in hidden + combining_marks)):
            for field in ("first_name", "last_name"):
                assert invalid_fields(post_registration(checker.client, **{field: name})) == {field}, ascii(name)


def test_b15_unusual_valid_email_addresses_are_accepted(checker: AttackChecker) -> None:
    emails = (
        "a+tag@example.com",
        "o'neil@example.ie",
        "x@example.photography",
        "a_b-c.d@sub.sub.example.com",
        "1@example.com",
    )
    with checker.expect_only(
        REGISTRATION_TABLES, mails=len(emails), hashes=len(emails), events={"registration_started"}
    ):
        for email in emails:
            assert post_registration(checker.client, email=email).status_code == 200, email


def test_b17_password_length_limits_are_enforced(checker: AttackChecker) -> None:
    with checker.expect_only(hashes=0):
        for password, code in {
            "": "validation_failed",
            "x": "weak_password",
            "k3#vQ9!": "weak_password",
            "é" * 513: "validation_failed",
            "😀" * 257: "validation_failed",
            "x" * 60_000: "validation_failed",
            "x" * 10**6: "too_large",
        }.items():
            assert error_of(post_registration(checker.client, password=password))[1] == code, len(password)
    with checker.expect_only(REGISTRATION_TABLES, mails=2, hashes=2, events={"registration_started"}):
        for password in ("k3#vQ9!z", "correct horse battery staple " * 8):
            assert (
                post_registration(checker.client, email=f"{len(password)}@example.com", password=password).status_code
                == 200
            )


def test_b19_long_passwords_are_not_truncated(checker: AttackChecker) -> None:
    user = checker.create_user(VICTIM, password="kettle lantern anvil " * 5 + "one")
    with checker.expect_only(hashes=2, events={"sign_in_failed"}):
        for password in ("kettle lantern anvil " * 5 + "two", "kettle lantern anvil " * 5):
            assert user.login(password, unused_ip()).status_code == 401
        assert error_of(user.login(user.password + "\x00", unused_ip())) == VALIDATION_FAILED


def test_b21_template_injection_in_names_is_inert(checker: AttackChecker) -> None:
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
    with checker.expect_only(REGISTRATION_TABLES, mails=len(names), hashes=len(names), events={"registration_started"}):
        for number, name in enumerate(names):
            assert (
                post_registration(checker.client, email=f"p{number}@example.com", first_name=name).status_code == 200
            ), name
    mails = {mail["to"]: mail for mail in checker.mailbox.all()}
    for number, name in enumerate(names):
        mail = mails[f"p{number}@example.com"]
        assert f"Hello {name}," in mail["text"]
        assert f"Hello {escape(name, quote=False)}<" in mail["html"].replace("&#39;", "'")
        assert "49" not in mail["text"].replace(mail["message_id"], "").split("code")[0]


def test_b21_html_and_links_in_names_are_rejected(checker: AttackChecker) -> None:
    names = ("<script>", "http://evil.example", "www.evil.example", "a>b", "A" * 200, "hTTp://x", "//x <b>", "a\nb")
    with checker.expect_only(hashes=0):
        for name in names:
            assert invalid_fields(post_registration(checker.client, first_name=name)) == {"first_name"}, name


def test_b23_sql_injection_in_every_field_has_no_effect(checker: AttackChecker) -> None:
    payloads = (
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
    with checker.expect_only(
        REGISTRATION_TABLES, mails=len(payloads), hashes=len(payloads), events={"registration_started"}
    ):
        for number, payload in enumerate(payloads):
            names = {"first_name": payload, "last_name": payload}
            response = post_registration(
                checker.client, email=f"p{number}@example.com", password=f"{payload} {PASSWORD}", **names
            )
            assert response.status_code == 200, payload
            for field in ("email", "country", "locale"):
                assert invalid_fields(post_registration(checker.client, **{field: payload})) == {field}, payload


def test_b29_register_response_prevents_enumeration(checker: AttackChecker) -> None:
    checker.create_user(VICTIM)
    with checker.expect_only(
        REGISTRATION_TABLES, mails=2, hashes=2, events={"registration_started", "registration_existing_email"}
    ):
        for email in (VICTIM, "unknown@example.com"):
            response = register(checker.client, email, unused_ip())
            assert set(response.get_json()) == {"status", "success", "message", "verification_id"}
            assert len(response.get_json()["verification_id"]) == 22
