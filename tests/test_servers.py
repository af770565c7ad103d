"""The private database, Redis and SMTP servers of the tests."""

import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine, NullPool, create_engine, text
from tests.conftest import SERVERS, private_sql_servers
from tests.servers import Certificate, PrivateSqlServer, Redis, SmtpSink
from tests.servers.smtp_sink import Mode


@pytest.fixture(scope="module", params=private_sql_servers())
def server(request: pytest.FixtureRequest) -> Iterator[PrivateSqlServer]:
    with SERVERS[request.param]() as sql_server:
        yield sql_server


@pytest.fixture
def notes(server: PrivateSqlServer) -> Iterator[Engine]:
    """A table in a separate database, accessed as the user of the server's URLs."""
    server.create("some_notes")
    engine = create_engine(server.url("some_notes").replace("mysql:", "mysql+pymysql:"), poolclass=NullPool)
    write(engine, "CREATE TABLE notes (words VARCHAR(20)) CHARACTER SET utf8mb4")
    yield engine
    server.drop("some_notes")


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as server:
        yield server


def write(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def read_notes(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT words FROM notes ORDER BY words")))


def sample_message() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message["From"] = "us@example.com"
    message["To"] = "grace@example.com"
    message.set_content("Your code is WXYZ.\n")
    return message


def send(sink: SmtpSink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as client:
        client.send_message(sample_message())


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_database_killed_keeps_committed_rows(server: PrivateSqlServer, notes: Engine) -> None:
    write(notes, "INSERT INTO notes VALUES ('before')")

    server.kill()
    server.start()

    write(notes, "INSERT INTO notes VALUES ('after ä 🐈')")
    assert read_notes(notes) == ["after ä 🐈", "before"]


def test_database_restarted_keeps_its_url(server: PrivateSqlServer, notes: Engine) -> None:
    url = server.url("some_notes")

    server.restart()

    assert server.url("some_notes") == url
    assert read_notes(notes) == []


def test_database_paused_responds_after_resume(server: PrivateSqlServer, notes: Engine) -> None:
    server.pause()
    with ThreadPoolExecutor() as pool:
        response = pool.submit(read_notes, notes)
        time.sleep(0.2)
        assert not response.done()
        server.resume()
        assert response.result(10) == []


def test_database_user_has_no_rights_elsewhere(server: PrivateSqlServer, notes: Engine) -> None:
    server.create("somexnotes")

    with pytest.raises(Exception, match="denied"):
        write(notes, "DROP DATABASE mysql")
    with pytest.raises(Exception, match="denied"):
        write(notes, "SET GLOBAL read_only=1")

    server.drop("somexnotes")


@pytest.mark.parametrize("name", private_sql_servers())
def test_server_failing_to_start_shows_end_of_log(name: str) -> None:
    server = SERVERS[name]("--no-such-option")
    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()
    server.close()


def test_redis_restarted_keeps_url_and_loses_data() -> None:
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("name", "Grace")

        server.restart()

        assert client.get("name") is None


def test_servers_are_removed_when_the_tests_are_killed() -> None:
    program = """if True:
        from tests.servers import Redis
        server = Redis().start()
        print(server.port, server.home, flush=True)
        input()
    """
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        port, home = tests.stdout.readline().split() if tests.stdout else ("0", "")
        assert is_listening(int(port))
        tests.kill()

    deadline = time.monotonic() + 10
    while (is_listening(int(port)) or Path(home).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_listening(int(port))
    assert not Path(home).exists()


def test_smtp_sink_stores_raw_and_parsed_mail(sink: SmtpSink) -> None:
    send(sink)

    received = sink.wait_for(lambda mail: "WXYZ" in mail.message.get_content())
    assert (received.sender, received.recipients) == ("us@example.com", ("grace@example.com",))
    assert received.message["Subject"] == "Grüße"
    assert received.raw.endswith(b"Your code is WXYZ.\r\n")


@pytest.mark.parametrize(
    ("mode", "error", "stored"),
    [
        ("tempfail", smtplib.SMTPDataError, 0),
        ("reject", smtplib.SMTPRecipientsRefused, 0),
        ("drop", smtplib.SMTPServerDisconnected, 1),
    ],
)
def test_smtp_sink_failure_mode_lasts_until_changed(
    sink: SmtpSink, mode: Mode, error: type[Exception], stored: int
) -> None:
    sink.mode = mode
    with pytest.raises(error) as raised:
        send(sink)
    assert len(sink.messages) == stored
    assert mode == "drop" or {"tempfail": "451", "reject": "550"}[mode] in str(raised.value)

    sink.mode = "ok"
    send(sink)
    assert len(sink.messages) == stored + 1


def test_smtp_sink_hang_mode_ends_when_changed(sink: SmtpSink) -> None:
    sink.mode = "hang"
    with ThreadPoolExecutor() as pool:
        sending: Future[None] = pool.submit(send, sink)
        time.sleep(0.2)
        assert not sending.done()
        assert not sink.messages

        sink.mode = "ok"
        sending.result(5)
    assert len(sink.messages) == 1


def test_smtp_sink_stop_disconnects_and_keeps_port(sink: SmtpSink) -> None:
    sink.mode = "hang"
    with ThreadPoolExecutor() as pool:
        sending: Future[None] = pool.submit(send, sink)
        time.sleep(0.2)
        sink.stop()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            sending.result(5)

    with pytest.raises(ConnectionRefusedError):
        send(sink)
    sink.mode = "ok"
    sink.start()
    send(sink)
    assert len(sink.messages) == 1


def test_smtp_sink_can_require_starttls_and_login() -> None:
    with SmtpSink(tls="starttls", login=("app", "secret")) as sink, smtplib.SMTP("localhost", sink.port) as client:
        with pytest.raises(smtplib.SMTPException, match="STARTTLS command first"):
            client.send_message(sample_message())
        client.starttls(context=sink.certificate.client_context())
        with pytest.raises(smtplib.SMTPException, match="Authentication required"):
            client.send_message(sample_message())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("app", "wrong")
        client.login("app", "secret")
        client.send_message(sample_message())
        assert len(sink.messages) == 1


def test_smtp_sink_implicit_tls_accepts_mail() -> None:
    with SmtpSink(tls="implicit") as sink:
        context = sink.certificate.client_context()
        with smtplib.SMTP_SSL("localhost", sink.port, context=context) as client:
            client.send_message(sample_message())
        assert len(sink.messages) == 1


@pytest.mark.parametrize(
    "certificate", [Certificate(names=("elsewhere.test",)), Certificate(valid_for=timedelta(days=-1))]
)
def test_smtp_sink_can_present_an_invalid_certificate(certificate: Certificate) -> None:
    with (
        SmtpSink(tls="starttls", certificate=certificate) as sink,
        smtplib.SMTP("localhost", sink.port) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.starttls(context=certificate.client_context())
