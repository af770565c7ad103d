"""Hand a message to the mail server: over verified TLS where it is asked for, and in bounded time."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from urllib.parse import urlsplit

import structlog

from flaskauth.foundation import outgoing
from flaskauth.foundation.current import settings
from flaskauth.foundation.outgoing import Watchdog
from flaskauth.mail.addresses import address, literal, sender
from flaskauth.settings import Settings

CONNECT_TIMEOUT = 10  # seconds, for each address of the server
ANSWER_TIMEOUT = 20
GOODBYE_TIMEOUT = 2
# A refusal at another stage, or for want of a login (RFC 4954 section 6), is about us: mails wait until it is repaired.
ABOUT_THE_MESSAGE = {"mail", "rcpt", "data"}
ABOUT_OUR_LOGIN = {530, 534, 535, 538}
NO_SUCH_NAME = 553  # what a server without SMTPUTF8 says to such an address (RFC 6531 section 3.5)

log = structlog.get_logger(__name__)


class Undelivered(Exception):
    """The message did not arrive; says at which stage, and the server's code or the kind of failure. Never its text."""

    def __init__(self, stage: str, reason: int | str) -> None:
        super().__init__(f"{stage} {reason}")
        self.stage = stage
        self.may_have_arrived = stage == "data" and isinstance(reason, str)


class Rejected(Undelivered):
    """The server will not take this message, however often it is offered."""

    def __init__(self, stage: str, code: int) -> None:
        super().__init__(stage, code)
        self.code = code


class Client(smtplib.SMTP):
    """smtplib's client, watched from the first byte, and in TLS from the first byte where there is a context."""

    def __init__(self, host: str, port: int, watchdog: Watchdog, context: ssl.SSLContext | None) -> None:
        self._watchdog = watchdog
        self._context = context
        # A name of our own: smtplib's default asks the DNS, without bound.
        super().__init__(host, port, local_hostname=_own_name(), timeout=ANSWER_TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        link = socket.create_connection((host, port), CONNECT_TIMEOUT)
        self._watchdog.watch(link)
        link.settimeout(timeout)
        return self._context.wrap_socket(link, server_hostname=host) if self._context else link


def send(message: EmailMessage, recipient: str, seconds: float) -> None:
    """Deliver; returning means that the server has taken the message.

    Raises:
        Rejected: for good.
        Undelivered: for now, or nobody knows.
    """
    if seconds <= 0:
        raise Undelivered("connect", "TimeoutError")
    with Watchdog(seconds) as watchdog, _connected(settings(), watchdog) as client:
        _hand_over(client, message, address(recipient).addr_spec)
        # From here on the message is theirs: whatever happens to the farewell, it is not sent again.
        with contextlib.suppress(OSError):
            _say_goodbye(client)


def knock(seconds: float) -> datetime | None:
    """Connect, prove each other and log in as for a mail, and leave without one; when their certificate ends, in TLS.

    Raises:
        Undelivered: a mail would not come so far; its cause, where there is one, says more.
    """
    with Watchdog(seconds) as watchdog, _connected(settings(), watchdog) as client:
        ends_at = _certificate_ends_at(client)
        with contextlib.suppress(OSError):
            _say_goodbye(client)
    return ends_at


def _certificate_ends_at(client: Client) -> datetime | None:
    shown = client.sock.getpeercert() if isinstance(client.sock, ssl.SSLSocket) else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC) if shown else None


@contextlib.contextmanager
def _connected(given: Settings, watchdog: Watchdog) -> Iterator[Client]:
    with _stage("tls"):
        context = outgoing.verifying(given.mail_ca_file)
    with _stage("connect"):
        client = Client(given.mail_server or "", _port(given), watchdog, context if given.mail_use_ssl else None)
    with contextlib.closing(client):
        _greet(client)
        if given.mail_use_tls and not given.mail_use_ssl:
            with _stage("tls"):
                client.starttls(context=context)
            _greet(client)
        if given.mail_username:
            with _stage("login"):
                client.login(given.mail_username, given.mail_password.get_secret_value() if given.mail_password else "")
        yield client


def _greet(client: Client) -> None:
    with _stage("hello"):
        client.ehlo_or_helo_if_needed()


def _hand_over(client: Client, message: EmailMessage, recipient: str) -> None:
    envelope_sender = sender().addr_spec
    options = []
    if not (envelope_sender + recipient).isascii():
        if not client.has_extn("smtputf8"):
            raise Rejected("smtputf8", NO_SUCH_NAME)
        options = ["SMTPUTF8", "BODY=8BITMIME"]
    _ask("mail", lambda: client.mail(envelope_sender, options))
    _ask("rcpt", lambda: client.rcpt(recipient))
    if client.sock:
        # Who looks for viruses takes minutes (RFC 5321 section 4.5.3.2.6), and has the message: the watchdog ends it.
        client.sock.settimeout(None)
    _ask("data", lambda: client.data(message.as_bytes()))


def _ask(stage: str, command: Callable[[], tuple[int, bytes]]) -> None:
    with _stage(stage):
        code = command()[0]
        if settings().mail_debug:
            log.info("smtp", stage=stage, reply=code)
        _take(stage, code)


def _say_goodbye(client: Client) -> None:
    if client.sock:
        client.sock.settimeout(GOODBYE_TIMEOUT)
    client.quit()


@contextlib.contextmanager
def _stage(name: str) -> Iterator[None]:
    """Tells failures in our words, by the stage at which they happened."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        _take(name, error.smtp_code)
        raise Undelivered(name, error.smtp_code) from None
    except (OSError, ValueError) as error:  # ValueError: a host name that IDNA cannot write, a password outside ASCII
        raise Undelivered(name, type(error).__name__) from error


def _take(stage: str, code: int) -> None:
    if 200 <= code < 300:
        return
    if code >= 500 and code not in ABOUT_OUR_LOGIN and stage in ABOUT_THE_MESSAGE:
        raise Rejected(stage, code)
    raise Undelivered(stage, code)


def _port(given: Settings) -> int:
    return given.mail_port or (465 if given.mail_use_ssl else 587 if given.mail_use_tls else 25)


def _own_name() -> str:
    return literal(urlsplit(settings().public_url).hostname or "localhost")
