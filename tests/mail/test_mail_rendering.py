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
from tests.mail.helpers import REQUEST_DETAILS, TEMPLATE_CONTEXT, split_lines

import flaskauth.mail
from flaskauth.core import clock
from flaskauth.mail.models import OutboxMail
from flaskauth.mail.rendering import RenderedMail, render

CODE = "BCDF-2345"
LINK = "https://auth.example.com/auth/revert-email-change#aB3-dE_fG7hI9jK1mN5pQ8rS0tU2vW4xY6zA-bC_dE3"
REUSE_CONTEXT = {
    "device": "Firefox on Linux",
    "network": "192.0.2.7",
    "noticed_at": "2026-01-10T16:43:48Z",
    "started_at": "2026-01-09T08:00:00Z",
}
CHANGE_CONTEXT = {"new_address": "hopper@example.org", **REQUEST_DETAILS}
CONTEXTS: dict[str, dict[str, str]] = {
    "registration/verify_email": {**TEMPLATE_CONTEXT, **REQUEST_DETAILS},
    "registration/already_registered": REQUEST_DETAILS,
    "sessions/token_reused": REUSE_CONTEXT,
    "passwords/reset_code": {**REQUEST_DETAILS, "minutes": TEMPLATE_CONTEXT["minutes"]},
    "passwords/password_changed": REQUEST_DETAILS,
    "login/sign_in_code": {**REQUEST_DETAILS, "minutes": TEMPLATE_CONTEXT["minutes"]},
    "login/new_device": {"device": REUSE_CONTEXT["device"], **REQUEST_DETAILS},
    "login/recovery_code_used": {"codes_left": "3", **REQUEST_DETAILS},
    "login/second_factor_failed": REQUEST_DETAILS,
    "passwords/password_removed": REQUEST_DETAILS,
    "passkeys/counter_regressed": {"name": "YubiKey", **REQUEST_DETAILS},
    "mfa/factor_added": {"factor": "Phone", **REQUEST_DETAILS},
    "mfa/factor_removed": {"factor": "Phone", "turned_off": "", **REQUEST_DETAILS},
    "mfa/recovery_codes_created": REQUEST_DETAILS,
    "email_change/verify_email": {**REQUEST_DETAILS, "minutes": TEMPLATE_CONTEXT["minutes"]},
    "email_change/change_requested": CHANGE_CONTEXT,
    "email_change/email_changed": CHANGE_CONTEXT,
    "security_alerts/account_secured": {"factors_restored": "", "factors": "Phone, YubiKey", **REQUEST_DETAILS},
    "security_alerts/email_removed": REQUEST_DETAILS,
    "factor_reset/lost_factor_code": {**REQUEST_DETAILS, "minutes": TEMPLATE_CONTEXT["minutes"]},
    "factor_reset/reset_requested": {**REQUEST_DETAILS, "due_at": "2026-01-13 16:43 UTC"},
    "factor_reset/reset_done": {},
    "user_admin/factors_reset": {},
    "account_deletion/deletion_scheduled": {**REQUEST_DETAILS, "deletion_due_at": "2026-01-17 16:43 UTC"},
    "account_deletion/account_restored": REQUEST_DETAILS,
    "account_deletion/account_erased": {},
}
SUBJECTS = {
    "registration/verify_email": "Account Verification on Flaskauth: BCDF-2345",
    "registration/already_registered": "You already have an account on flaskauth",
    "sessions/token_reused": "We ended a session on flaskauth",
    "passwords/reset_code": "Reset your password on flaskauth: BCDF-2345",
    "passwords/password_changed": "Your password on flaskauth was changed",
    "login/sign_in_code": "Sign in to flaskauth: BCDF-2345",
    "login/new_device": "New sign-in to your account on flaskauth",
    "login/recovery_code_used": "A recovery code was used on flaskauth",
    "login/second_factor_failed": "A second factor for flaskauth was wrong several times",
    "passwords/password_removed": "Your password on flaskauth was removed",
    "passkeys/counter_regressed": "We rejected a passkey or security key on flaskauth",
    "mfa/factor_added": "A second factor was added to your account on flaskauth",
    "mfa/factor_removed": "A second factor was removed from your account on flaskauth",
    "mfa/recovery_codes_created": "New recovery codes for your account on flaskauth",
    "email_change/verify_email": "Confirm your new email address on flaskauth: BCDF-2345",
    "email_change/change_requested": "Request to change your email address on flaskauth",
    "email_change/email_changed": "Your email address on flaskauth was changed",
    "security_alerts/account_secured": "Your account on flaskauth was secured",
    "security_alerts/email_removed": "Your email address on flaskauth was changed back",
    "factor_reset/lost_factor_code": "Remove your second factors on flaskauth: BCDF-2345",
    "factor_reset/reset_requested": "Your second factors on flaskauth will be removed",
    "factor_reset/reset_done": "Your second factors on flaskauth were removed",
    "user_admin/factors_reset": "Your second factors on flaskauth were removed",
    "account_deletion/deletion_scheduled": "Your account on flaskauth will be deleted",
    "account_deletion/account_restored": "Your account on flaskauth will not be deleted",
    "account_deletion/account_erased": "Your account on flaskauth was deleted",
}


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Use SQLite only: rendering does not depend on the database."""
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def app(make_app: MakeApp) -> Iterator[Flask]:
    app = make_app(**PRODUCTION)
    with app.app_context():
        yield app


def make_mail(template: str = "registration/verify_email", *, locale: str = "en", **context: str) -> OutboxMail:
    return OutboxMail(
        template=template,
        recipient="grace@example.com",
        context={**CONTEXTS[template], **context},
        locale=locale,
        created_at=clock.now(),
        message_id="<0123456789abcdef0123456789abcdef@auth.example.com>",
    )


def parse_message(mail: RenderedMail) -> EmailMessage:
    """Parse a message as a mail client does."""
    return message_from_bytes(mail.raw, policy=default)


def message_part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part
    return str(part.get_content())


@pytest.mark.usefixtures("app")
def test_mail_is_rendered_again_with_the_same_bytes() -> None:
    mail = make_mail()

    assert render(mail, CODE) == render(mail, CODE)


@pytest.mark.usefixtures("app")
class TestAllTemplates:
    @pytest.fixture(params=CONTEXTS)
    def template(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_every_template_has_a_test_context(self) -> None:
        source = Path(flaskauth.mail.__file__).parents[1]
        subjects = source.glob("*/templates/mail/en/*.subject.txt")

        assert {f"{path.parents[3].name}/{path.name.removesuffix('.subject.txt')}" for path in subjects} == set(
            CONTEXTS
        )

    def test_mail_headers_are_complete(self, template: str) -> None:
        row = make_mail(template)
        message = parse_message(render(row, CODE, LINK))

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

    def test_text_and_html_contain_same_values(self, template: str) -> None:
        message = parse_message(render(make_mail(template), CODE, LINK))

        assert message.get_content_type() == "multipart/alternative"
        assert [alternative.get_content_type() for alternative in message.iter_parts()] == ["text/plain", "text/html"]
        for value in CONTEXTS[template].values():
            assert value in message_part(message, "plain")
            assert value in message_part(message, "html")

    def test_html_loads_no_external_resources(self, template: str) -> None:
        html = message_part(parse_message(render(make_mail(template), CODE, LINK)), "html").replace(
            f'<a class="button" href="{LINK}"', ""
        )

        assert not re.search(r"//|\bsrc=|\burl\(|@import|<link|<script", html)

    def test_html_has_inline_styles_and_dark_mode(self, template: str) -> None:
        html = message_part(parse_message(render(make_mail(template), CODE, LINK)), "html")

        assert re.search(r'<h1 style="[^"]*font-size', html)
        assert "prefers-color-scheme: dark" in html

    @pytest.mark.parametrize("value", ["ß", "ß" * 100, "🐈" * 10, "a" * 2000])
    def test_lines_are_at_most_998_bytes(self, template: str, value: str) -> None:
        row = make_mail(template, **dict.fromkeys(CONTEXTS[template], value))

        raw = render(row, CODE, LINK).raw

        assert raw.isascii()
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.usefixtures("app")
def test_code_is_on_its_own_line_in_text_and_once_in_html() -> None:
    message = parse_message(render(make_mail(), CODE))

    assert [line for line in split_lines(message_part(message, "plain")) if "2345" in line] == [CODE]
    assert message_part(message, "html").count(CODE) == 1


@pytest.mark.usefixtures("app")
def test_html_injection_is_escaped_in_html_but_not_in_text() -> None:
    message = parse_message(
        render(make_mail(first_name="<script>alert(1)</script>", last_name="O'Hara & <b>Sons</b>"), CODE)
    )

    assert "<script" not in message_part(message, "html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in message_part(message, "html")
    assert "<b>" not in message_part(message, "html")
    assert "O'Hara & <b>Sons</b>" in message_part(message, "plain")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("name", ["{{7*7}}", "{% include 'mail/base.html' %}", "${7*7}", "{{ settings }}"])
def test_template_injection_in_name_is_not_evaluated(name: str) -> None:
    message = parse_message(render(make_mail(first_name=name), CODE))

    assert f"Hello {name}," in message_part(message, "plain")
    assert "49" not in message_part(message, "plain")


def test_template_injection_in_app_name_is_not_evaluated(make_app: MakeApp) -> None:
    with make_app(**PRODUCTION, APP_NAME="{{7*7}}").app_context():
        message = parse_message(render(make_mail(), CODE))

    assert message["Subject"] == "Account Verification on {{7*7}}: BCDF-2345"


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x85", "\u2028", "\x0b"])
def test_header_injection_in_name_is_neutralized(line_break: str) -> None:
    message = parse_message(
        render(make_mail(first_name=f"Grace{line_break}{line_break}WXYZ-2345{line_break}Bcc: eve@example.com"), CODE)
    )

    assert "Bcc" not in message
    assert "Hello Grace WXYZ-2345 Bcc: eve@example.com," in split_lines(message_part(message, "plain"))


@pytest.mark.usefixtures("app")
def test_unicode_direction_controls_in_name_are_removed() -> None:
    message = parse_message(render(make_mail(first_name="\u202eecarG\x07\u2066"), CODE))

    assert "Hello ecarG," in message_part(message, "plain")


@pytest.mark.parametrize(
    ("app_name", "display_name"),
    [
        ("Ärger & Söhne", "Ärger & Söhne"),
        ('Boats, Inc. "Four"', 'Boats, Inc. "Four"'),
        ("A\x85Bcc: eve@example.com", "A Bcc: eve@example.com"),
    ],
)
def test_header_injection_in_app_name_is_neutralized(make_app: MakeApp, app_name: str, display_name: str) -> None:
    with make_app(**PRODUCTION, APP_NAME=app_name).app_context():
        message = parse_message(render(make_mail(), CODE))

    [sender] = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (display_name, "no-reply@auth.example.com")
    assert message["Subject"] == f"Account Verification on {display_name}: {CODE}"
    assert f"{display_name} will never" in message_part(message, "plain")
    assert "Bcc" not in message


@pytest.mark.parametrize(
    ("app_name", "title"),
    [
        ("flaskauth", "Flaskauth"),
        ("shop24", "Shop24"),
        ("ärger", "Ärger"),
        ("iDrive", "iDrive"),
        ("ACME", "ACME"),
        ("my shop", "my shop"),
        ("example.com", "example.com"),
        ("e-shop", "e-shop"),
        ("McKettle's", "McKettle's"),
    ],
)
def test_app_name_is_spelled_as_set_in_subject(make_app: MakeApp, app_name: str, title: str) -> None:
    with make_app(**PRODUCTION, APP_NAME=app_name).app_context():
        message = parse_message(render(make_mail(), CODE))

    assert message["Subject"] == f"Account Verification on {title}: {CODE}"
    assert message["From"].addresses[0].display_name == app_name


@pytest.mark.parametrize(
    ("setting", "name", "address"),
    [
        ("no-reply@example.org", "", "no-reply@example.org"),
        ("Boats <boats@bücher.example>", "Boats", "boats@xn--bcher-kva.example"),
        ('"Boats, Inc." <boats@example.org>', "Boats, Inc.", "boats@example.org"),
    ],
)
def test_sender_is_configurable(make_app: MakeApp, setting: str, name: str, address: str) -> None:
    with make_app(**PRODUCTION, MAIL_DEFAULT_SENDER=setting).app_context():
        [sender] = parse_message(render(make_mail(), CODE))["From"].addresses

    assert (sender.display_name, sender.addr_spec) == (name, address)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("locale", ["de", "ja-JP", "../../../mail", "", "x/y", "en_US.UTF-8"])
def test_unknown_locale_falls_back_to_english(locale: str) -> None:
    message = parse_message(render(make_mail(locale=locale), CODE))

    assert message["Content-Language"] == "en"
    assert "Hello Grace," in message_part(message, "plain")


@pytest.mark.usefixtures("app")
def test_regional_locale_uses_its_language() -> None:
    assert render(make_mail(locale="en-GB"), CODE).locale == "en"
    assert render(make_mail(locale="PT-br"), CODE).locale == "pt"
