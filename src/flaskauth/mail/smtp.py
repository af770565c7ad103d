"""Send a message to the mail server: over verified TLS if configured, and in bounded time."""

import base64
import contextlib
import hmac
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flaskauth.core.context import settings
from flaskauth.core.deadline import Deadline, get_tls_context
from flaskauth.core.observability.log import get_logger
from flaskauth.mail.headers import address_literal, sender_address
from flaskauth.settings import Settings

CONNECT_TIMEOUT = 10  # seconds, for each IP address of the server
RESPONSE_TIMEOUT = 20
QUIT_TIMEOUT = 2
# A rejection at another stage, or for missing authentication (RFC 4954 section 6), is a configuration error: mails stay
# queued until it is fixed.
MESSAGE_STAGES = {"mail", "rcpt", "data"}
AUTHENTICATION_CODES = {530, 534, 535, 538}
AUTHENTICATED_CODES = {235, 503}  # 503: already authenticated
MAX_CHALLENGES = 5
MAILBOX_NAME_NOT_ALLOWED = 553  # for a non-ASCII address and a server without SMTPUTF8 (RFC 6531 section 3.5)

log = get_logger(__name__)


class DeliveryError(Exception):
    """The message was not delivered.

    The text names the stage and the server's reply code or the type of the exception, never the server's text.
    `is_uncertain` is True if the server may have accepted the message.
    """

    def __init__(self, stage: str, reason: int | str) -> None:
        super().__init__(f"{stage} {reason}")
        self.stage = stage
        self.is_uncertain = stage == "data" and isinstance(reason, str)


class PermanentDeliveryError(DeliveryError):
    """The server rejects this message permanently."""

    def __init__(self, stage: str, code: int) -> None:
        super().__init__(stage, code)
        self.code = code


class SMTPClient(smtplib.SMTP):
    """smtplib's client with a deadline for the whole connection, and implicit TLS if there is a context."""

    def __init__(self, host: str, port: int, deadline: Deadline, context: ssl.SSLContext | None) -> None:
        self._deadline = deadline
        self._context = context
        # An explicit host name: smtplib's default makes a DNS query without a timeout.
        super().__init__(host, port, local_hostname=_local_hostname(), timeout=RESPONSE_TIMEOUT)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = socket.create_connection((host, port), CONNECT_TIMEOUT)
        self._deadline.watch(sock)
        sock.settimeout(timeout)
        return self._context.wrap_socket(sock, server_hostname=host) if self._context else sock

    def auth(
        self, mechanism: str, authobject: Callable[..., str | None], *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Authenticate with a user name and password in UTF-8 (RFC 4616). smtplib's method accepts only ASCII.

        Raises:
            SMTPAuthenticationError
        """
        initial_response = authobject() if initial_response_ok else None
        # auth_login() reads this attribute to find out whether the user name or the password is requested.
        self._auth_challenge_count = 0 if initial_response is None else 1
        status, reply = self.docmd("AUTH", " ".join([mechanism, *_encode_response(initial_response)]))
        while status == 334 and self._auth_challenge_count < MAX_CHALLENGES:
            self._auth_challenge_count += 1
            status, reply = self.docmd(*_encode_response(authobject(base64.b64decode(reply))))
        if status not in AUTHENTICATED_CODES:
            raise smtplib.SMTPAuthenticationError(status, reply)
        return status, reply

    def auth_cram_md5(self, challenge: bytes | None = None) -> str | None:  # type: ignore[override]  # not overloaded
        """Return the response to a challenge (RFC 2195), with the password in UTF-8."""
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"


class Connections:
    """Connections to the mail server, each used for one mail after the other. Threads can share an object."""

    def __init__(self) -> None:
        self._idle: list[SMTPClient] = []

    def send(self, message: bytes, recipient: str, timeout: float) -> None:
        """Send the message within `timeout` seconds. On return, the server has accepted it.

        Raises:
            PermanentDeliveryError: the server rejects the message permanently.
            DeliveryError: a temporary error, or the result is unknown.
        """
        if timeout <= 0:
            raise DeliveryError("connect", "TimeoutError")
        with Deadline(timeout) as deadline:
            client = self._resume(deadline, recipient)
            if client is None:
                client = _connect(settings(), deadline)
                with _closed_on_error(client):
                    _begin(client, recipient)
            with _closed_on_error(client):
                _send_data(client, message, recipient)
        self._idle.append(client)

    def close(self) -> None:
        """Close all connections. The server has accepted the messages: none is sent again, even if QUIT fails."""
        while self._idle:
            client = self._idle.pop()
            with contextlib.closing(client), contextlib.suppress(OSError):
                _quit(client)

    def _resume(self, deadline: Deadline, recipient: str) -> SMTPClient | None:
        """Begin a mail on an idle connection. Return None if there is none, or the server does not accept more mails.

        Many servers close an idle connection, or one that has sent a number of mails.
        """
        try:
            client = self._idle.pop()
        except IndexError:
            return None
        try:
            assert client.sock
            deadline.watch(client.sock)
            client.sock.settimeout(RESPONSE_TIMEOUT)
            _begin(client, recipient)
        except (DeliveryError, OSError):
            client.close()
            return None
        return client


def check_connection(timeout: float) -> datetime | None:
    """Connect and log in as for a mail, but send none. Return when the server's certificate expires; None without TLS.

    Args:
        timeout: Seconds for the whole check.

    Raises:
        DeliveryError: a mail could not be sent; `__cause__` has the details, if there are any.
    """
    with Deadline(timeout) as deadline, contextlib.closing(_connect(settings(), deadline)) as client:
        expires_at = _certificate_expiry(client)
        with contextlib.suppress(OSError):
            _quit(client)
    return expires_at


def _certificate_expiry(client: SMTPClient) -> datetime | None:
    certificate = client.sock.getpeercert() if isinstance(client.sock, ssl.SSLSocket) else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC) if certificate else None


def _connect(config: Settings, deadline: Deadline) -> SMTPClient:
    with _stage("tls"):
        context = get_tls_context(config.mail_ca_file)
    with _stage("connect"):
        client = SMTPClient(config.mail_server or "", _port(config), deadline, context if config.mail_use_ssl else None)
    with _closed_on_error(client):
        _ehlo(client)
        if config.mail_use_tls and not config.mail_use_ssl:
            with _stage("tls"):
                client.starttls(context=context)
            _ehlo(client)
        if config.mail_username:
            with _stage("login"):
                client.login(
                    config.mail_username, config.mail_password.get_secret_value() if config.mail_password else ""
                )
    return client


@contextlib.contextmanager
def _closed_on_error(client: SMTPClient) -> Iterator[None]:
    try:
        yield
    except BaseException:
        client.close()
        raise


def _encode_response(response: str | None) -> list[str]:
    return [] if response is None else [base64.b64encode(response.encode()).decode()]


def _ehlo(client: SMTPClient) -> None:
    with _stage("hello"):
        client.ehlo_or_helo_if_needed()


def _begin(client: SMTPClient, recipient: str) -> None:
    envelope_sender = sender_address().addr_spec
    options = []
    if not (envelope_sender + recipient).isascii():
        if not client.has_extn("smtputf8"):
            raise PermanentDeliveryError("smtputf8", MAILBOX_NAME_NOT_ALLOWED)
        options = ["SMTPUTF8", "BODY=8BITMIME"]
    _run_command("mail", lambda: client.mail(envelope_sender, options))


def _send_data(client: SMTPClient, message: bytes, recipient: str) -> None:
    _run_command("rcpt", lambda: client.docmd("rcpt", f"TO:<{recipient}>"))  # client.rcpt parses the address again
    if client.sock:
        # A server that scans for viruses can take minutes to reply to DATA (RFC 5321 section 4.5.3.2.6). Only the
        # deadline ends the wait, because the server may have accepted the message.
        client.sock.settimeout(None)
    _run_command("data", lambda: client.data(message))


def _run_command(stage: str, command: Callable[[], tuple[int, bytes]]) -> None:
    with _stage(stage):
        code = command()[0]
        if settings().mail_debug:
            log.info("smtp", stage=stage, reply=code)
        _check_reply(stage, code)


def _quit(client: SMTPClient) -> None:
    if client.sock:
        client.sock.settimeout(QUIT_TIMEOUT)
    client.quit()


@contextlib.contextmanager
def _stage(name: str) -> Iterator[None]:
    """Raise errors of smtplib and sockets as DeliveryError or PermanentDeliveryError with the stage."""
    try:
        yield
    except smtplib.SMTPResponseException as error:
        _check_reply(name, error.smtp_code)
        raise DeliveryError(name, error.smtp_code) from None
    except (OSError, ValueError) as error:  # ValueError: a host name invalid in IDNA, a challenge that is not Base64
        raise DeliveryError(name, type(error).__name__) from error


def _check_reply(stage: str, code: int) -> None:
    if 200 <= code < 300:
        return
    if code >= 500 and code not in AUTHENTICATION_CODES and stage in MESSAGE_STAGES:
        raise PermanentDeliveryError(stage, code)
    raise DeliveryError(stage, code)


def _port(config: Settings) -> int:
    return config.mail_port or (465 if config.mail_use_ssl else 587 if config.mail_use_tls else 25)


def _local_hostname() -> str:
    return address_literal(urlsplit(settings().public_url).hostname or "localhost")
