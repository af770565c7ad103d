"""Only bytes that say what was meant are sent, whatever Python's email package makes of a value."""

from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default

import pytest

from flaskauth.mail.serialization import serialize

RECIPIENT = "grace@example.com"
SUBJECT = "Grüße von Söhne & Töchter, der besten Bootswerft an der ganzen schönen Küste"
TEXTS = ["Hello", "Grüße\n", "a" * 990 + "\n\n.\nFrom me\n", "a" * 1000, "ボート 🐈\n" * 100, ""]


def serialize_mail(
    recipient: str = RECIPIENT, to: Address | None = None, subject: str = SUBJECT, text: str = "Hello", html: str = ""
) -> bytes:
    fields: dict[str, str | Address] = {
        "From": "no-reply@example.com",
        "To": to or Address(addr_spec=RECIPIENT),
        "Subject": subject,
    }
    return serialize(fields, recipient, text, html, "0123456789abcdef")


@pytest.mark.parametrize("subject", ["Hello", SUBJECT, "Hello " * 30])
@pytest.mark.parametrize("text", TEXTS)
def test_serialized_mail_is_read_as_meant(subject: str, text: str) -> None:
    raw = serialize_mail(subject=subject.strip(), text=text, html=f"<p>{text}</p>")
    message = message_from_bytes(raw, policy=default)

    assert (message["To"], message["From"], message["Subject"]) == (RECIPIENT, "no-reply@example.com", subject.strip())
    bodies = [str(part.get_content()).replace("\r\n", "\n").rstrip("\n") for part in message.iter_parts()]
    assert bodies == [text.rstrip("\n"), f"<p>{text}</p>"]
    assert not message.defects
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("name", ["Søren Øst & Søn", "_ø Ø !ú _ø Ø _ø Ø _ø Ø", "ボート 株式会社 " * 6])
def test_serialize_any_app_name_in_subject_succeeds(name: str) -> None:
    assert serialize_mail(subject=f"Account Verification on {name.strip()}: BCDF-2345")


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
    with pytest.raises(Exception, match=r".*"):  # the email package rejects some of them in newer versions
        serialize_mail(f"{local}@example.com", Address(username=local, domain="example.com"))


def test_serialize_message_to_other_recipient_fails() -> None:
    with pytest.raises(Exception, match="recipient"):
        serialize_mail("ada@example.com")


def test_serialize_subject_that_is_read_differently_fails() -> None:
    with pytest.raises(Exception, match="subject"):
        serialize_mail(subject="=?utf-8?q?grace?=")
