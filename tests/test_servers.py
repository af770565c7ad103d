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
from tests.conftest import SERVERS, private_servers
from tests.servers import Certificate, PrivateSqlServer, Redis, SmtpSink
from tests.servers.mail import Mode


@pytest.fixture(scope="module", params=private_servers())
def server(request: pytest.FixtureRequest) -> Iterator[PrivateSqlServer]:
    with SERVERS[request.param]() as found:
        yield found


@pytest.fixture
def notes(server: PrivateSqlServer) -> Iterator[Engine]:
    """A table in a database of its own, as the user that the product is given."""
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


def words(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT words FROM notes ORDER BY words")))


def letter() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message["From"] = "us@example.com"
    message["To"] = "grace@example.com"
    message.set_content("Your code is WXYZ.\n")
    return message


def send(sink: SmtpSink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as client:
        client.send_message(letter())


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_killed_database_keeps_what_was_committed(server: PrivateSqlServer, notes: Engine) -> None:
    write(notes, "INSERT INTO notes VALUES ('before')")

    server.kill()
    server.start()

    write(notes, "INSERT INTO notes VALUES ('then ä 🐈')")
    assert words(notes) == ["before", "then ä 🐈"]


def test_a_restarted_database_is_found_at_the_same_address(server: PrivateSqlServer, notes: Engine) -> None:
    address = server.url("some_notes")

    server.restart()

    assert server.url("some_notes") == address
    assert words(notes) == []


def test_a_paused_database_answers_when_it_is_resumed(server: PrivateSqlServer, notes: Engine) -> None:
    server.pause()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(words, notes)
        time.sleep(0.2)
        assert not answer.done()
        server.resume()
        assert answer.result(10) == []


def test_the_user_of_a_database_has_no_business_in_another(server: PrivateSqlServer, notes: Engine) -> None:
    server.create("somexnotes")

    with pytest.raises(Exception, match="denied"):
        write(notes, "DROP DATABASE mysql")
    with pytest.raises(Exception, match="denied"):
        write(notes, "SET GLOBAL read_only=1")

    server.drop("somexnotes")


@pytest.mark.parametrize("name", private_servers())
def test_a_server_that_does_not_start_shows_the_end_of_its_log(name: str) -> None:
    server = SERVERS[name]("--no-such-option")
    with pytest.raises(RuntimeError, match="no-such-option"):
        server.start()
    server.close()


def test_a_restarted_redis_has_the_same_address_and_forgot_everything() -> None:
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        client.set("name", "Grace")

        server.restart()

        assert client.get("name") is None


def test_servers_end_and_their_folders_go_when_the_tests_are_killed() -> None:
    program = """if True:
        from tests.servers import Redis
        server = Redis().start()
        print(server.port, server.home, flush=True)
        input()
    """
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tests:
        port, home = tests.stdout.readline().split() if tests.stdout else ("0", "")
        assert answers(int(port))
        tests.kill()

    deadline = time.monotonic() + 10
    while (answers(int(port)) or Path(home).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not answers(int(port))
    assert not Path(home).exists()


def test_mail_is_kept_as_it_came_and_as_a_message(sink: SmtpSink) -> None:
    send(sink)

    received = sink.wait_for(lambda mail: "WXYZ" in mail.message.get_content())
    assert (received.sender, received.recipients) == ("us@example.com", ("grace@example.com",))
    assert received.message["Subject"] == "Grüße"
    assert received.raw.endswith(b"Your code is WXYZ.\r\n")


@pytest.mark.parametrize(
    ("mode", "refusal", "kept"),
    [
        ("tempfail", smtplib.SMTPDataError, 0),
        ("reject", smtplib.SMTPRecipientsRefused, 0),
        ("drop", smtplib.SMTPServerDisconnected, 1),
    ],
)
def test_a_sink_refuses_as_it_is_told_until_told_otherwise(
    sink: SmtpSink, mode: Mode, refusal: type[Exception], kept: int
) -> None:
    sink.mode = mode
    with pytest.raises(refusal) as problem:
        send(sink)
    assert len(sink.messages) == kept
    assert mode == "drop" or {"tempfail": "451", "reject": "550"}[mode] in str(problem.value)

    sink.mode = "ok"
    send(sink)
    assert len(sink.messages) == kept + 1


def test_a_hanging_sink_answers_when_it_is_released(sink: SmtpSink) -> None:
    sink.mode = "hang"
    with ThreadPoolExecutor() as pool:
        sending: Future[None] = pool.submit(send, sink)
        time.sleep(0.2)
        assert not sending.done()
        assert not sink.messages

        sink.mode = "ok"
        sending.result(5)
    assert len(sink.messages) == 1


def test_a_stopped_sink_hangs_up_and_comes_back_at_the_same_port(sink: SmtpSink) -> None:
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


def test_starttls_and_a_login_can_be_asked_for() -> None:
    with SmtpSink(tls="starttls", login=("app", "secret")) as sink, smtplib.SMTP("localhost", sink.port) as client:
        with pytest.raises(smtplib.SMTPException, match="STARTTLS command first"):
            client.send_message(letter())
        client.starttls(context=sink.certificate.for_client())
        with pytest.raises(smtplib.SMTPException, match="Authentication required"):
            client.send_message(letter())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("app", "wrong")
        client.login("app", "secret")
        client.send_message(letter())
        assert len(sink.messages) == 1


def test_a_sink_can_speak_tls_from_the_first_byte() -> None:
    with SmtpSink(tls="implicit") as sink:
        trusting = sink.certificate.for_client()
        with smtplib.SMTP_SSL("localhost", sink.port, context=trusting) as client:
            client.send_message(letter())
        assert len(sink.messages) == 1


@pytest.mark.parametrize("certificate", [Certificate(names=("elsewhere.test",)), Certificate(lasts=timedelta(days=-1))])
def test_a_sink_can_show_a_certificate_that_nobody_should_accept(certificate: Certificate) -> None:
    with (
        SmtpSink(tls="starttls", certificate=certificate) as sink,
        smtplib.SMTP("localhost", sink.port) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.starttls(context=certificate.for_client())
