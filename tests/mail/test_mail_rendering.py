import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.mail.conftest import PRODUCTION
from tests.mail.office import ASKED, NAMES, lines

import flaskauth.mail
from flaskauth.foundation import clock
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.rendering import render

CODE = "BCDF-2345"
LINK = "https://auth.example.com/auth/undo#aB3-dE_fG7hI9jK1mN5pQ8rS0tU2vW4xY6zA-bC_dE3"
REUSED = {
    "device": "Firefox on Linux",
    "network": "192.0.2.7",
    "noticed_at": "2026-01-10T16:43:48Z",
    "started_at": "2026-01-09T08:00:00Z",
}
CHANGE = {"new_address": "hopper@example.org", **ASKED}
CONTEXTS: dict[str, dict[str, str]] = {
    "registration/prove_address": {**NAMES, **ASKED},
    "registration/already_registered": ASKED,
    "sessions/token_reused": REUSED,
    "passwords/reset_code": {**ASKED, "minutes": NAMES["minutes"]},
    "passwords/password_changed": ASKED,
    "login/new_device": {"device": REUSED["device"], **ASKED},
    "email_change/prove_address": {**ASKED, "minutes": NAMES["minutes"]},
    "email_change/change_requested": CHANGE,
    "email_change/address_changed": CHANGE,
    "recovery/taken_back": ASKED,
    "closing/account_closing": {**ASKED, "closes_at": "2026-01-17 16:43 UTC"},
    "closing/account_restored": ASKED,
    "closing/account_erased": {},
}
SUBJECTS = {
    "registration/prove_address": "Account Verification on Flaskauth",
    "registration/already_registered": "You already have an account on flaskauth",
    "sessions/token_reused": "We ended a session on flaskauth",
    "passwords/reset_code": "A new password on flaskauth",
    "passwords/password_changed": "Your password on flaskauth was changed",
    "login/new_device": "A new sign-in on flaskauth",
    "email_change/prove_address": "A new address for your account on flaskauth",
    "email_change/change_requested": "Your account on flaskauth is to get another address",
    "email_change/address_changed": "Your account on flaskauth has another address",
    "recovery/taken_back": "Your account on flaskauth was secured",
    "closing/account_closing": "Your account on flaskauth is being closed",
    "closing/account_restored": "Your account on flaskauth stays",
    "closing/account_erased": "Your account on flaskauth was erased",
}


@pytest.fixture(params=["sqlite"])
def database(tmp_path: Path) -> str:
    """Rendering asks no database."""
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[Flask]:
    found = make_app(**PRODUCTION)
    with found.app_context():
        yield found


def mail(template: str = "registration/prove_address", *, locale: str = "en", **context: str) -> OutboxMail:
    return OutboxMail(
        template=template,
        recipient="grace@example.com",
        context={**CONTEXTS[template], **context},
        locale=locale,
        created_at=clock.now(),
        message_id="<0123456789abcdef0123456789abcdef@auth.example.com>",
    )


def as_sent(message: EmailMessage) -> EmailMessage:
    """What the reader's side makes of it."""
    return message_from_bytes(message.as_bytes(), policy=default)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found
    return str(found.get_content())


@pytest.mark.usefixtures("app")
class TestEveryMail:
    @pytest.fixture(params=CONTEXTS)
    def template(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_there_is_a_context_here_for_each(self) -> None:
        rooms = Path(flaskauth.mail.__file__).parents[1]
        found = rooms.glob("*/templates/mail/en/*.subject.txt")

        assert {f"{path.parents[3].name}/{path.name.removesuffix('.subject.txt')}" for path in found} == set(CONTEXTS)

    def test_headers(self, template: str) -> None:
        row = mail(template)
        message = as_sent(render(row, CODE, LINK))

        assert dict(message.items()) | {"Content-Type": "", "MIME-Version": ""} == {
            "From": "flaskauth <no-reply@auth.example.com>",
            "To": "grace@example.com",
            "Date": message["Date"],
            "Message-ID": row.message_id,
            "Auto-Submitted": "auto-generated",
            "Content-Language": "en",
            "Subject": SUBJECTS[template],
            "MIME-Version": "",
            "Content-Type": "",
        }
        assert message["Date"].datetime == row.created_at.replace(microsecond=0)

    def test_text_and_html_say_the_same_things(self, template: str) -> None:
        message = as_sent(render(mail(template), CODE, LINK))

        assert message.get_content_type() == "multipart/alternative"
        assert [alternative.get_content_type() for alternative in message.iter_parts()] == ["text/plain", "text/html"]
        for value in CONTEXTS[template].values():
            assert value in part(message, "plain")
            assert value in part(message, "html")

    def test_nothing_is_loaded_from_elsewhere(self, template: str) -> None:
        html = part(as_sent(render(mail(template), CODE, LINK)), "html").replace(f'<a class="button" href="{LINK}"', "")

        assert not re.search(r"//|\bsrc=|\burl\(|@import|<link|<script", html)

    def test_styles_stand_where_every_client_reads_them_and_there_is_a_dark_side(self, template: str) -> None:
        html = part(as_sent(render(mail(template), CODE, LINK)), "html")

        assert re.search(r'<h1 style="[^"]*font-size', html)
        assert "prefers-color-scheme: dark" in html

    @pytest.mark.parametrize("value", ["ß", "ß" * 100, "🐈" * 10, "a" * 2000])
    def test_lines_fit_every_server(self, template: str, value: str) -> None:
        row = mail(template, **dict.fromkeys(CONTEXTS[template], value))

        raw = render(row, CODE, LINK).as_bytes()

        assert raw.isascii()
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.usefixtures("app")
def test_the_code_stands_alone_on_its_line_of_the_text_and_in_the_html() -> None:
    message = as_sent(render(mail(), CODE))

    assert [line for line in lines(part(message, "plain")) if "2345" in line] == [CODE]
    assert part(message, "html").count(CODE) == 1


@pytest.mark.usefixtures("app")
def test_html_is_escaped_and_text_is_not() -> None:
    message = as_sent(render(mail(first_name="<script>alert(1)</script>", last_name="O'Hara & <b>Sons</b>"), CODE))

    assert "<script" not in part(message, "html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in part(message, "html")
    assert "<b>" not in part(message, "html")
    assert "O'Hara & <b>Sons</b>" in part(message, "plain")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("name", ["{{7*7}}", "{% include 'mail/base.html' %}", "${7*7}", "{{ settings }}"])
def test_what_people_write_is_no_template(name: str) -> None:
    message = as_sent(render(mail(first_name=name), CODE))

    assert f"Hello {name}," in part(message, "plain")
    assert "49" not in part(message, "plain")


def test_the_apps_name_is_no_template_either(make_app: MakeApp) -> None:
    with make_app(**PRODUCTION, APP_NAME="{{7*7}}").app_context():
        message = as_sent(render(mail(), CODE))

    assert message["Subject"] == "Account Verification on {{7*7}}"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x0b"])
def test_a_name_stays_on_its_line(break_: str) -> None:
    message = as_sent(render(mail(first_name=f"Grace{break_}{break_}WXYZ-2345{break_}Bcc: eve@example.com"), CODE))

    assert "Bcc" not in message
    assert "Hello Grace WXYZ-2345 Bcc: eve@example.com," in lines(part(message, "plain"))


@pytest.mark.usefixtures("app")
def test_a_name_does_not_turn_the_letters_around_it() -> None:
    message = as_sent(render(mail(first_name="\u202eecarG\x07\u2066"), CODE))

    assert "Hello ecarG," in part(message, "plain")


@pytest.mark.parametrize(
    ("app_name", "shown"),
    [
        ("Ärger & Söhne", "Ärger & Söhne"),
        ('Boats, Inc. "Four"', 'Boats, Inc. "Four"'),
        ("A\x85Bcc: eve@example.com", "A Bcc: eve@example.com"),
    ],
)
def test_the_apps_name_is_only_a_name(make_app: MakeApp, app_name: str, shown: str) -> None:
    with make_app(**PRODUCTION, APP_NAME=app_name).app_context():
        message = as_sent(render(mail(), CODE))

    [sender] = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (shown, "no-reply@auth.example.com")
    assert message["Subject"] == f"Account Verification on {shown}"
    assert f"Nobody of {shown} will" in part(message, "plain")
    assert "Bcc" not in message


@pytest.mark.parametrize(
    ("setting", "name", "address"),
    [
        ("no-reply@example.org", "", "no-reply@example.org"),
        ("Boats <boats@bücher.example>", "Boats", "boats@xn--bcher-kva.example"),
        ('"Boats, Inc." <boats@example.org>', "Boats, Inc.", "boats@example.org"),
    ],
)
def test_the_sender_may_be_set(make_app: MakeApp, setting: str, name: str, address: str) -> None:
    with make_app(**PRODUCTION, MAIL_DEFAULT_SENDER=setting).app_context():
        [sender] = as_sent(render(mail(), CODE))["From"].addresses

    assert (sender.display_name, sender.addr_spec) == (name, address)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("locale", ["de", "ja-JP", "../../../mail", "", "x/y", "en_US.UTF-8"])
def test_a_language_that_is_not_there_is_english(locale: str) -> None:
    message = as_sent(render(mail(locale=locale), CODE))

    assert message["Content-Language"] == "en"
    assert "Hello Grace," in part(message, "plain")


@pytest.mark.usefixtures("app")
def test_a_region_of_a_language_that_is_there_is_that_language() -> None:
    assert render(mail(locale="en-GB"), CODE)["Content-Language"] == "en"
    assert render(mail(locale="PT-br"), CODE)["Content-Language"] == "pt"
