import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from tests.mail.conftest import MakeHarness
from tests.mail.faulty_smtp_servers import MinimalSmtpServer, SlowSmtpServer
from tests.mail.helpers import MailHarness
from tests.servers import Certificate, SmtpSink
from tests.servers.smtp_sink import Mechanism, Tls

from flaskauth.core.deadline import Deadline
from flaskauth.mail import smtp
from flaskauth.mail.models import FAILED, QUEUED, SENT
from flaskauth.mail.rendering import render

TLS_SETTING: dict[Tls, str] = {"starttls": "MAIL_USE_TLS", "implicit": "MAIL_USE_SSL"}


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    return tmp_path / "authority.pem"


def make_tls_harness(make_harness: MakeHarness, sink: SmtpSink, ca_file: Path, **settings: str) -> MailHarness:
    ca_file.write_text(sink.certificate.ca_pem)
    return make_harness(sink, MAIL_CA_FILE=str(ca_file), **settings)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_mail_is_sent_over_verified_tls(make_harness: MakeHarness, ca_file: Path, tls: Tls) -> None:
    with SmtpSink(tls=tls) as sink:
        harness = make_tls_harness(make_harness, sink, ca_file, **{TLS_SETTING[tls]: "true"})
        mail_id = harness.enqueue()

        harness.deliver_due()

        assert harness.row(mail_id).state == SENT
        assert len(sink.messages) == 1


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    "certificate",
    [Certificate(names=("elsewhere.test",)), Certificate(valid_for=timedelta(days=-1))],
    ids=["other host", "expired"],
)
def test_invalid_tls_certificate_blocks_sending(
    make_harness: MakeHarness, ca_file: Path, tls: Tls, certificate: Certificate
) -> None:
    with SmtpSink(tls=tls, certificate=certificate) as sink:
        harness = make_tls_harness(make_harness, sink, ca_file, **{TLS_SETTING[tls]: "true"})
        assert_not_sent(harness, "SSLCertVerificationError")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_unknown_tls_authority_blocks_sending(make_harness: MakeHarness, tls: Tls) -> None:
    with SmtpSink(tls=tls) as sink:
        harness = make_harness(sink, **{TLS_SETTING[tls]: "true"})
        assert_not_sent(harness, "SSLCertVerificationError")


def test_missing_starttls_blocks_sending(make_harness: MakeHarness) -> None:
    harness = make_harness(MAIL_USE_TLS="true")
    assert_not_sent(harness, "tls SMTPNotSupportedError")


def assert_not_sent(harness: MailHarness, error: str) -> None:
    mail_id = harness.enqueue()
    harness.deliver_due()
    row = harness.row(mail_id)
    assert row.state == QUEUED
    assert error in (row.last_error or "")
    assert harness.sink.messages == []


def test_smtp_login_is_used_when_configured(make_harness: MakeHarness, ca_file: Path) -> None:
    with SmtpSink(tls="starttls", login=("app", "sesame")) as sink:
        harness = make_tls_harness(
            make_harness, sink, ca_file, MAIL_USE_TLS="true", MAIL_USERNAME="app", MAIL_PASSWORD="sesame"
        )
        mail_id = harness.enqueue()
        harness.deliver_due()
        assert harness.row(mail_id).state == SENT


@pytest.mark.parametrize("mechanism", get_args(Mechanism))
def test_smtp_login_beyond_ascii_is_sent_as_utf8(make_harness: MakeHarness, mechanism: Mechanism) -> None:
    with SmtpSink(login=("grüße", "pässwörd ☕"), mechanism=mechanism) as sink:
        harness = make_harness(sink, MAIL_USERNAME="grüße", MAIL_PASSWORD="pässwörd ☕")
        mail_id = harness.enqueue()
        harness.deliver_due()
        assert (harness.row(mail_id).state, harness.row(mail_id).last_error) == (SENT, None)


def test_wrong_smtp_login_keeps_mail_queued(make_harness: MakeHarness, ca_file: Path) -> None:
    with SmtpSink(tls="starttls", login=("app", "sesame")) as sink:
        harness = make_tls_harness(
            make_harness, sink, ca_file, MAIL_USE_TLS="true", MAIL_USERNAME="app", MAIL_PASSWORD="wrong"
        )
        mail_id = harness.enqueue()
        harness.deliver_due()
        assert (harness.row(mail_id).state, harness.row(mail_id).last_error) == (QUEUED, "login 535")


def test_missing_smtp_login_keeps_mail_queued(make_harness: MakeHarness) -> None:
    with SmtpSink(login=("app", "sesame")) as sink:
        harness = make_harness(sink)
        mail_id = harness.enqueue()
        harness.deliver_due()
        assert (harness.row(mail_id).state, harness.row(mail_id).last_error) == (QUEUED, "mail 530")


@pytest.fixture
def slow_server() -> Iterator[SlowSmtpServer]:
    server = SlowSmtpServer()
    yield server
    server.close()


def test_slow_smtp_server_is_cut_off_at_deadline(make_harness: MakeHarness, slow_server: SlowSmtpServer) -> None:
    harness = make_harness(MAIL_PORT=str(slow_server.port))
    mail = harness.row(harness.enqueue())

    started = time.monotonic()
    with harness.app.app_context(), pytest.raises(smtp.DeliveryError, match="connect"):
        smtp.Connections().send(render(mail, "BCDF-2345").raw, mail.recipient, timeout=0.3)
    assert time.monotonic() - started < 3


def test_deadline_passed_during_dns_lookup_closes_socket() -> None:
    client_socket, server_socket = socket.socketpair()
    with server_socket, Deadline(0.01) as deadline:
        time.sleep(0.2)
        with pytest.raises(TimeoutError):
            deadline.watch(client_socket)
    assert client_socket.fileno() == -1


def test_send_without_time_left_is_not_started(harness: MailHarness) -> None:
    mail = harness.row(harness.enqueue())

    with harness.app.app_context(), pytest.raises(smtp.DeliveryError):
        smtp.Connections().send(render(mail, "BCDF-2345").raw, mail.recipient, timeout=0)

    assert harness.sink.messages == []


def test_missing_smtp_quit_reply_still_marks_mail_sent(
    make_harness: MakeHarness, minimal_server: MinimalSmtpServer
) -> None:
    harness = make_harness(MAIL_PORT=str(minimal_server.port))
    mail_id = harness.enqueue()

    harness.deliver_due()

    assert minimal_server.received_lines[-1] == "quit"
    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 1)


def test_unreadable_tls_ca_file_keeps_mail_queued(make_harness: MakeHarness, tmp_path: Path) -> None:
    harness = make_harness(MAIL_USE_TLS="true", MAIL_CA_FILE=str(tmp_path / "missing.pem"))
    assert_not_sent(harness, "tls FileNotFoundError")


def test_unicode_recipient_uses_smtputf8(harness: MailHarness) -> None:
    mail_id = harness.enqueue("grüße@example.com")

    harness.deliver_due()

    [received] = harness.sink.messages
    assert harness.row(mail_id).state == SENT
    assert received.recipients == ("grüße@example.com",)
    assert received.message["To"] == "grüße@example.com"


def test_unicode_domain_is_sent_as_punycode(harness: MailHarness) -> None:
    harness.enqueue("grace@bücher.example")

    harness.deliver_due()

    [received] = harness.sink.messages
    assert received.recipients == ("grace@xn--bcher-kva.example",)
    assert received.message["To"] == "grace@xn--bcher-kva.example"


@pytest.fixture
def minimal_server() -> Iterator[MinimalSmtpServer]:
    server = MinimalSmtpServer()
    yield server
    server.close()


def test_unicode_recipient_without_smtputf8_fails(make_harness: MakeHarness, minimal_server: MinimalSmtpServer) -> None:
    harness = make_harness(MAIL_PORT=str(minimal_server.port))
    mail_id = harness.enqueue("grüße@example.com")

    harness.deliver_due()

    row = harness.row(mail_id)
    assert (row.state, row.last_error) == (FAILED, "smtputf8 553")
    assert harness.events("mail_rejected") == [{"mail_id": mail_id, "reply": 553}]
    assert not [line for line in minimal_server.received_lines if line.startswith("mail")]


def test_ehlo_uses_public_host_name(make_harness: MakeHarness, minimal_server: MinimalSmtpServer) -> None:
    harness = make_harness(MAIL_PORT=str(minimal_server.port))
    harness.enqueue()

    harness.deliver_due()

    assert minimal_server.received_lines[0] == "ehlo auth.example.com"


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1"])
def test_ehlo_uses_address_literal_for_ip_host(
    make_harness: MakeHarness, minimal_server: MinimalSmtpServer, host: str
) -> None:
    harness = make_harness(MAIL_PORT=str(minimal_server.port), PUBLIC_URL=f"http://{host}:5000")
    harness.enqueue()

    harness.deliver_due()

    literal = "[IPv6:::1]" if host == "[::1]" else "[127.0.0.1]"
    commands = [line.lower() for line in minimal_server.received_lines[:2]]
    assert commands == [f"ehlo {literal.lower()}", f"mail from:<no-reply@{literal.lower()}>"]
