"""Whatever text a user chooses, the mail server receives the mail that was meant: one recipient, fixed header fields.

`make test-slow SUITE=addresses` registers 20,000 generated addresses and names.
"""

import json
import os
import re
import unicodedata
from collections.abc import Iterator
from itertools import count

import idna
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.fuzz.strategies import USER_AGENTS, letters
from tests.mail.conftest import MakeHarness
from tests.mail.helpers import MailHarness, body_part
from tests.registration.helpers import unused_ip
from tests.servers import ReceivedMail, SmtpSink
from tests.support.users import PASSWORD, forwarded_for, registration_form

from flaskauth.core import email_addresses
from flaskauth.core.jobs import background
from flaskauth.mail.models import SENT, OutboxMail
from flaskauth.mail.rendering import render_parts
from flaskauth.one_time_codes import links

HEADER_NAMES = [
    *("From", "To", "Date", "Message-ID", "Auto-Submitted", "Subject", "Content-Language", "MIME-Version"),
    "Content-Type",
]
# Parts with a meaning in a header field, in SMTP or for a program that normalizes text.
SYNTAX = (
    *("=?utf-8?q?", "=?utf-8?b?eEB5LnoNCkJjYzogdmljdGltQGV4YW1wbGUubmV0DQpYOiA=?=", "?=", "=40", "=2C", "=0D=0A"),
    *(
        "eve@example.net,",
        '"eve"',
        "(eve)",
        "<eve>",
        "eve>",
        "\\",
        ";",
        ":",
        ",",
        " ",
        "\t",
        "\r\nBcc: eve@example.net",
    ),
    *("\uff20", "\uff0c", "\u037e", "\uff1d\uff1f", "\u2028", "\x85", "\x00", "\x7f", "\xa0", "\u202e", "\u2066"),
)
WORDS = (
    *("ada", "Ada", "a.b", "+tag", "-", "_", "'", "!#$%&*/=?^`{|}~", "%40", "e\u0301", "\u0308", "\u1ebe", "\u0130"),
    *("gr\u00fc\u00dfe", "\u03a3\u03c2", "\ufb01", "\u212a", "\u3131", "\u5c71\u7530", "\u05e9\u05dc\u05d5\u05dd"),
    *("\u0645\u0631\u062d\u0628\u0627", "\U0001f600", "\U0001f469\u200d\U0001f4bb", "x" * 60, "\u00e9" * 50),
)
DOMAINS = (
    *("example.com", "EXAMPLE.com", "b\u00fccher.example", "xn--bcher-kva.example", "\u4f8b\u3048.jp", "corp.local"),
    *("localhost", "home.arpa", "a" * 63 + ".example", "\u05e9\u05dc\u05d5\u05dd.example", "example\u3002com"),
    *("exa\uff20mple.com", "example.com, eve@example.net", "[127.0.0.1]", "sub." * 40 + "example", "=?utf-8?q?a?=.com"),
)
pieces = st.one_of(st.sampled_from(WORDS), st.sampled_from(SYNTAX), st.text(letters, max_size=8))
locals_ = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map("".join),
    st.lists(pieces, min_size=1, max_size=5).map("".join),
)
names = st.one_of(locals_, st.text(letters, min_size=1, max_size=100))
one_application = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

_numbers = count(1)


@pytest.fixture
def inbox(make_harness: MakeHarness, smtp_sink: SmtpSink) -> Iterator[MailHarness]:
    harness = make_harness(smtp_sink)
    with harness.app.app_context():
        yield harness


def deliver_one(harness: MailHarness) -> tuple[OutboxMail, ReceivedMail]:
    """Deliver the mail of the last request, and return its row and what the mail server received."""
    harness.sink.clear()
    assert harness.app.extensions[background.KEY].take_notifications() >= 1
    harness.deliver_due()
    row = max(harness.rows(), key=lambda mail: mail.id)
    assert (row.state, row.last_error) == (SENT, None)
    [received] = harness.sink.messages
    return row, received


def assert_as_meant(harness: MailHarness, recipient: str, row: OutboxMail, received: ReceivedMail) -> None:
    """Compare every header field and both bodies, on the wire and as a mail program reads them."""
    link = links.past_url(row.link_id) if row.link_id else ""
    parts = render_parts(row.template, "en", {**row.context, "code": harness.code(row.id), "link": link})
    header = received.raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    message = received.message

    assert (received.sender, received.recipients) == ("no-reply@auth.example.com", (recipient,))
    assert [line.partition(":")[0] for line in header.split("\r\n")] == HEADER_NAMES == message.keys()
    assert re.findall(r"^To: *(.*)\r$", header, re.MULTILINE) == [recipient]
    assert (message["To"], len(message["To"].addresses)) == (recipient, 1)
    assert message["From"] == "flaskauth <no-reply@auth.example.com>"
    assert (message["Subject"], message["Message-ID"]) == (parts.subject, row.message_id)
    for subtype, body in {"plain": parts.text, "html": parts.html}.items():
        assert body_part(received, subtype).replace("\r\n", "\n").rstrip("\n") == body.rstrip("\n")
    assert not message.defects
    assert max(map(len, received.raw.split(b"\r\n"))) <= 998


@settings(one_application, max_examples=int(os.environ.get("EXAMPLES", "40")))
@given(locals_, st.sampled_from(DOMAINS), names, names)
@example("=?utf-8?b?eEB5LnoNCkJjYzogdmljdGltQGV4YW1wbGUubmV0DQpYOiA=?=", "example.com", "Grace", "Hopper")
@example("a\uff20b.com", "example.com", "Grace", "Hopper")
@example("\u2066ada", "example.com", "Grace", "Hopper")
@example("\u00e9" * 120, "example.com", "Grace", "Hopper")
@example("x" * 200, "example.com", "\U0001f600" * 100, "=?utf-8?q?a?=")
def test_register_any_address_and_name_mails_what_was_meant(
    inbox: MailHarness, local: str, domain: str, first_name: str, last_name: str
) -> None:
    domain = f"u{next(_numbers)}.{domain}"  # one mailbox for each address: none reaches its mail limit
    form = registration_form(f"{local}@{domain}", first_name=first_name, last_name=last_name)
    inbox.sink.clear()
    response = inbox.app.test_client().post(
        "/auth/register",
        data=json.dumps(form),  # lone surrogates are escaped
        content_type="application/json",
        headers=forwarded_for(unused_ip()),
    )

    if response.status_code == 422:
        assert set(response.get_json()["errors"]) <= {"email", "first_name", "last_name", "password"}
        assert inbox.app.extensions[background.KEY].take_notifications() == 0
        return
    assert response.status_code == 200, response.text
    local = unicodedata.normalize("NFC", local.lstrip(email_addresses.WHITE_SPACE))
    recipient = f"{local}@{idna.encode(domain, uts46=True).decode()}"
    row, received = deliver_one(inbox)
    assert_as_meant(inbox, recipient, row, received)


@settings(one_application, max_examples=10)
@given(USER_AGENTS.map(lambda agent: re.sub(r"[^\x20-\x7e\xa0-\xff]", "?", agent)))
def test_login_with_any_user_agent_mails_what_was_meant(inbox: MailHarness, agent: str) -> None:
    client, email = inbox.app.test_client(), f"grace{next(_numbers)}@example.com"
    address = forwarded_for(unused_ip())
    client.post("/auth/register", json=registration_form(email), headers=address)
    row, _ = deliver_one(inbox)
    assert client.post("/auth/verify", json={"otp": inbox.code(row.id), "email": email}, headers=address).status_code
    inbox.app.extensions[background.KEY].take_notifications()
    for at in (unused_ip(), unused_ip()):
        inbox.app.extensions[background.KEY].take_notifications()
        login = {"email": email, "password": PASSWORD}
        headers = {**forwarded_for(at), "User-Agent": agent}
        assert client.post("/auth/login", json=login, headers=headers).status_code == 200

    row, received = deliver_one(inbox)
    assert row.template == "login/new_device"
    assert_as_meant(inbox, email, row, received)
