import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.mail.conftest import MakeOffice
from tests.mail.odd_servers import Drip, Plain
from tests.mail.office import Office
from tests.servers import Certificate, SmtpSink
from tests.servers.mail import Tls

from flaskauth.foundation.outgoing import Watchdog
from flaskauth.mail import smtp
from flaskauth.mail.models import DEAD, QUEUED, SENT
from flaskauth.mail.rendering import render

TLS_SETTING: dict[Tls, str] = {"starttls": "MAIL_USE_TLS", "implicit": "MAIL_USE_SSL"}


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return tmp_path / "authority.pem"


def secured(make_office: MakeOffice, sink: SmtpSink, authority: Path, **given: str) -> Office:
    authority.write_text(sink.certificate.authority)
    return make_office(sink, MAIL_CA_FILE=str(authority), **given)


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_mail_goes_to_a_server_that_shows_who_it_is(make_office: MakeOffice, authority: Path, kind: Tls) -> None:
    with SmtpSink(tls=kind) as sink:
        office = secured(make_office, sink, authority, **{TLS_SETTING[kind]: "true"})
        mail_id = office.put()

        office.sweep()

        assert office.row(mail_id).state == SENT
        assert len(sink.messages) == 1


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
@pytest.mark.parametrize(
    "certificate",
    [Certificate(names=("elsewhere.test",)), Certificate(lasts=timedelta(days=-1))],
    ids=["another's", "expired"],
)
def test_a_certificate_that_proves_nothing_gets_no_mail(
    make_office: MakeOffice, authority: Path, kind: Tls, certificate: Certificate
) -> None:
    with SmtpSink(tls=kind, certificate=certificate) as sink:
        office = secured(make_office, sink, authority, **{TLS_SETTING[kind]: "true"})
        assert_nothing_leaves(office, "SSLCertVerificationError")


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_an_authority_that_nobody_named_is_not_trusted(make_office: MakeOffice, kind: Tls) -> None:
    with SmtpSink(tls=kind) as sink:
        office = make_office(sink, **{TLS_SETTING[kind]: "true"})
        assert_nothing_leaves(office, "SSLCertVerificationError")


def test_where_starttls_was_taken_out_nothing_is_sent_in_clear(make_office: MakeOffice) -> None:
    office = make_office(MAIL_USE_TLS="true")
    assert_nothing_leaves(office, "tls SMTPNotSupportedError")


def assert_nothing_leaves(office: Office, error: str) -> None:
    mail_id = office.put()
    office.sweep()
    row = office.row(mail_id)
    assert row.state == QUEUED
    assert error in (row.last_error or "")
    assert office.sink.messages == []


def test_a_login_is_used_where_there_is_one(make_office: MakeOffice, authority: Path) -> None:
    with SmtpSink(tls="starttls", login=("app", "sesame")) as sink:
        office = secured(make_office, sink, authority, MAIL_USE_TLS="true", MAIL_USERNAME="app", MAIL_PASSWORD="sesame")
        mail_id = office.put()
        office.sweep()
        assert office.row(mail_id).state == SENT


def test_a_wrong_login_is_ours_to_repair_so_mails_wait_for_it(make_office: MakeOffice, authority: Path) -> None:
    with SmtpSink(tls="starttls", login=("app", "sesame")) as sink:
        office = secured(make_office, sink, authority, MAIL_USE_TLS="true", MAIL_USERNAME="app", MAIL_PASSWORD="wrong")
        mail_id = office.put()
        office.sweep()
        assert (office.row(mail_id).state, office.row(mail_id).last_error) == (QUEUED, "login 535")


def test_a_missing_login_is_ours_to_repair_too(make_office: MakeOffice) -> None:
    with SmtpSink(login=("app", "sesame")) as sink:
        office = make_office(sink)
        mail_id = office.put()
        office.sweep()
        assert (office.row(mail_id).state, office.row(mail_id).last_error) == (QUEUED, "mail 530")


@pytest.fixture
def drip() -> Iterator[Drip]:
    server = Drip()
    yield server
    server.close()


def test_a_server_that_answers_byte_by_byte_does_not_hold_a_mail_longer_than_its_lease(
    make_office: MakeOffice, drip: Drip
) -> None:
    office = make_office(MAIL_PORT=str(drip.port))
    mail = office.row(office.put())

    start = time.monotonic()
    with office.app.app_context(), pytest.raises(smtp.Undelivered, match="connect"):
        smtp.send(render(mail, "BCDF-2345"), mail.recipient, seconds=0.3)
    assert time.monotonic() - start < 3


def test_a_name_that_took_too_long_to_look_up_leads_to_no_conversation() -> None:
    link, other = socket.socketpair()
    with other, Watchdog(0.01) as watchdog:
        time.sleep(0.2)
        with pytest.raises(TimeoutError):
            watchdog.watch(link)
    assert link.fileno() == -1


def test_without_time_left_nothing_is_begun(office: Office) -> None:
    mail = office.row(office.put())

    with office.app.app_context(), pytest.raises(smtp.Undelivered):
        smtp.send(render(mail, "BCDF-2345"), mail.recipient, seconds=0)

    assert office.sink.messages == []


def test_a_server_that_takes_the_message_and_then_says_no_farewell_has_it(
    make_office: MakeOffice, plain: Plain
) -> None:
    office = make_office(MAIL_PORT=str(plain.port))
    mail_id = office.put()

    office.sweep()

    assert plain.heard[-1] == "quit"
    assert (office.row(mail_id).state, office.row(mail_id).tries) == (SENT, 1)


def test_an_authority_that_cannot_be_read_is_ours_to_repair(make_office: MakeOffice, tmp_path: Path) -> None:
    office = make_office(MAIL_USE_TLS="true", MAIL_CA_FILE=str(tmp_path / "missing.pem"))
    assert_nothing_leaves(office, "tls FileNotFoundError")


def test_an_address_outside_ascii_goes_to_servers_that_can(office: Office) -> None:
    mail_id = office.put("grüße@example.com")

    office.sweep()

    [received] = office.sink.messages
    assert office.row(mail_id).state == SENT
    assert received.recipients == ("grüße@example.com",)
    assert received.message["To"] == "grüße@example.com"


def test_a_domain_outside_ascii_is_written_so_that_every_server_can(office: Office) -> None:
    office.put("grace@bücher.example")

    office.sweep()

    [received] = office.sink.messages
    assert received.recipients == ("grace@xn--bcher-kva.example",)
    assert received.message["To"] == "grace@xn--bcher-kva.example"


@pytest.fixture
def plain() -> Iterator[Plain]:
    server = Plain()
    yield server
    server.close()


def test_an_address_that_the_server_cannot_write_is_refused_for_good(make_office: MakeOffice, plain: Plain) -> None:
    office = make_office(MAIL_PORT=str(plain.port))
    mail_id = office.put("grüße@example.com")

    office.sweep()

    row = office.row(mail_id)
    assert (row.state, row.last_error) == (DEAD, "smtputf8 553")
    assert office.events("mail_rejected") == [{"mail_id": mail_id, "reply": 553}]
    assert not [line for line in plain.heard if line.startswith("mail")]


def test_the_server_is_greeted_with_a_name_of_ours(make_office: MakeOffice, plain: Plain) -> None:
    office = make_office(MAIL_PORT=str(plain.port))
    office.put()

    office.sweep()

    assert plain.heard[0] == "ehlo auth.example.com"


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1"])
def test_a_server_without_a_name_is_named_by_its_address(make_office: MakeOffice, plain: Plain, host: str) -> None:
    office = make_office(MAIL_PORT=str(plain.port), PUBLIC_URL=f"http://{host}:5000")
    office.put()

    office.sweep()

    literal = "[IPv6:::1]" if host == "[::1]" else "[127.0.0.1]"
    assert plain.heard[:2] == [f"ehlo {literal}", f"mail FROM:<no-reply@{literal}>"]
