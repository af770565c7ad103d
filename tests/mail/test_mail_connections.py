"""A worker claims several mails and keeps its connections: each mail succeeds, fails or waits by itself."""

import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from tests.mail.conftest import MakeHarness
from tests.mail.helpers import MailHarness

from flaskauth.mail import smtp
from flaskauth.mail.delivery import CLAIM_SIZE, CONCURRENCY
from flaskauth.mail.models import FAILED, SENT

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

REJECTED, SLOW = "rejected@example.com", "slow@example.com"


class SmtpServer(socketserver.ThreadingTCPServer):
    """An SMTP server that counts mails and connections, and accepts `mails_per_connection` mails of each."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.recipients: Counter[str] = Counter()
        self.connections = 0
        self.mails_per_connection = 1000
        self.final_reply = "421 too many mails"
        self.may_finish = threading.Event()  # the mail to SLOW waits for it


class Conversation(socketserver.StreamRequestHandler):
    server: SmtpServer

    def handle(self) -> None:
        self.server.connections += 1
        mails, recipient = 0, ""
        self.reply("220 test")
        for line in iter(self.rfile.readline, b""):
            verb, _, argument = line.decode().strip().partition(" ")
            if verb == "mail" and mails == self.server.mails_per_connection:
                self.reply(self.server.final_reply)
                return
            if verb == "rcpt":
                recipient = argument.partition("<")[2].rstrip(">")
                self.reply("550 no" if recipient == REJECTED else "250 fine")
            elif verb == "data":
                self.reply("354 go on")
                list(iter(self.rfile.readline, b".\r\n"))
                if recipient == SLOW:
                    self.server.may_finish.wait(20)
                self.server.recipients[recipient] += 1
                mails += 1
                self.reply("250 accepted")
            else:
                self.reply("250 fine")

    def reply(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode() if line else b"")


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.may_finish.set()
        server.shutdown()


@pytest.fixture
def harness(make_harness: MakeHarness, server: SmtpServer) -> MailHarness:
    return make_harness(MAIL_PORT=str(server.server_address[1]))


def enqueue(harness: MailHarness, *recipients: str) -> list[str]:
    for recipient in recipients:
        harness.enqueue(recipient, code_id=None)
    return list(recipients)


def addresses(count: int) -> list[str]:
    return [f"p{number}@example.com" for number in range(count)]


def test_mails_of_one_run_share_connections(harness: MailHarness, server: SmtpServer) -> None:
    recipients = enqueue(harness, *addresses(CLAIM_SIZE + 5))

    harness.deliver_due()

    assert server.recipients == Counter(recipients)
    assert 1 <= server.connections <= CONCURRENCY


@pytest.mark.parametrize("final_reply", ["421 too many mails", ""], ids=["reply", "disconnect"])
def test_server_that_ends_connection_gets_each_mail_once(
    harness: MailHarness, server: SmtpServer, final_reply: str
) -> None:
    server.mails_per_connection, server.final_reply = 1, final_reply
    recipients = enqueue(harness, *addresses(12))

    harness.deliver_due()

    assert server.recipients == Counter(recipients)
    assert server.connections == 12
    assert {(row.state, row.attempts) for row in harness.rows()} == {(SENT, 1)}


def test_rejected_mail_does_not_affect_the_others(harness: MailHarness, server: SmtpServer) -> None:
    enqueue(harness, *addresses(3), REJECTED, *addresses(10)[3:])

    harness.deliver_due()

    assert server.recipients == Counter(addresses(10))
    assert {row.recipient for row in harness.rows() if row.state == FAILED} == {REJECTED}


def test_slow_mail_does_not_hold_the_others(harness: MailHarness, server: SmtpServer) -> None:
    """The result of each mail is recorded as soon as it is known."""
    recipients = enqueue(harness, SLOW, *addresses(CLAIM_SIZE + 5))

    with ThreadPoolExecutor(1) as executor:
        run = executor.submit(harness.deliver_due)
        sent: set[str] = set()
        while len(sent) < len(recipients) - 1 and not run.done():
            sent = {row.recipient for row in harness.rows() if row.state == SENT}
        assert not run.done()
        assert SLOW not in sent
        server.may_finish.set()
        run.result(20)

    assert server.recipients == Counter(recipients)
    assert {row.attempts for row in harness.rows()} == {1}


def test_idle_connection_taken_by_other_thread_is_replaced(harness: MailHarness, server: SmtpServer) -> None:
    class TakenByOtherThread(list[smtp.SMTPClient]):
        """Idle connections, the last of which is taken between two calls of this thread."""

        def __bool__(self) -> bool:
            return True

    with harness.app.app_context(), closing(smtp.Connections()) as connections:
        connections._idle = TakenByOtherThread()
        connections.send(b"Subject: x\r\n\r\nx\r\n", "p0@example.com", timeout=10)
        connections._idle = [*connections._idle]

    assert server.recipients == Counter(["p0@example.com"])
