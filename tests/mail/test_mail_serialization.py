"""Only bytes that say what was meant are sent, whatever Python's email package makes of a value."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from flaskauth.mail.serialization import serialize

RECIPIENT = "grace@example.com"
SUBJECT = "Grüße von Söhne & Töchter, der besten Bootswerft an der ganzen schönen Küste"


def make_message(to: Address | None = None) -> EmailMessage:
    message = EmailMessage(SMTP.clone(cte_type="7bit", utf8=True))
    message["From"] = "no-reply@example.com"
    message["To"] = to or Address(addr_spec=RECIPIENT)
    message["Subject"] = SUBJECT
    message.set_content("Hello")
    return message


def test_serialize_message_to_recipient_returns_its_bytes() -> None:
    message = make_message()

    assert serialize(message, RECIPIENT) == message.as_bytes()


@pytest.mark.parametrize("name", ["Søren Øst & Søn", "_ø Ø !ú _ø Ø _ø Ø _ø Ø", "ボート 株式会社 " * 6])
def test_serialize_any_app_name_in_subject_succeeds(name: str) -> None:
    message = make_message()
    message.policy = SMTP.clone(cte_type="7bit")
    message.replace_header("Subject", f"Account Verification on {name.strip()}: BCDF-2345")

    assert serialize(message, RECIPIENT)


@pytest.mark.parametrize(
    "local",
    [
        "=?utf-8?b?eEB5LnoNCkJjYzogdmljdGltQGV4YW1wbGUubmV0DQpYOiA=?=",
        "=?utf-8?q?eve=40example=2Ecom=2C?=",
        "=?utf-8?q?grace?=",
        "eve@example.org, grace",
        "eve(grace)",
        "gr\u2028ace",
    ],
)
def test_serialize_recipient_that_is_read_differently_fails(local: str) -> None:
    meant = f"{local}@example.com"
    message = make_message(Address(username=local, domain="example.com"))

    with pytest.raises(Exception, match=r".*"):  # the email package rejects some of them in newer versions
        serialize(message, meant)


def test_serialize_message_to_other_recipient_fails() -> None:
    with pytest.raises(Exception, match="recipient"):
        serialize(make_message(), "ada@example.com")
