"""A mail server that stores the messages it receives, and fails on demand."""

import asyncio
import email
import hmac
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from typing import Any, Literal, Self, get_args

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.servers.certificates import Certificate
from tests.servers.process import free_port

Mode = Literal["ok", "tempfail", "reject", "hang early", "hang", "keep", "drop"]
Tls = Literal["none", "starttls", "implicit"]
Mechanism = Literal["CRAM-MD5", "LOGIN", "PLAIN"]

# aiosmtpd logs every connection, also after the end of the test.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclass(frozen=True)
class ReceivedMail:
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @cached_property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=default)


class SmtpSink:
    """An SMTP server on a free loopback port. `mode` can be changed at any time:

    "ok" stores the message. "tempfail" responds 451 to the message, "reject" responds 550 to the recipient. "hang" does
    not respond to the message until the mode changes, "hang early" not to the sender. "keep" stores the message and
    hangs; "drop" stores it and disconnects.
    """

    def __init__(
        self,
        *,
        tls: Tls = "none",
        login: tuple[str, str] | None = None,
        mechanism: Mechanism | None = None,
        certificate: Certificate | None = None,
    ) -> None:
        """With a login (user name, password), mail is accepted only after AUTH, with one mechanism or any of them."""
        self.port = free_port()
        self.mode: Mode = "ok"
        self.certificate = certificate or Certificate()
        self._tls = tls
        self._login = login
        self._excluded_mechanisms = [name for name in get_args(Mechanism) if mechanism not in (None, name)]
        self._received: list[ReceivedMail] = []
        self._mail_received = threading.Condition()
        self._controller: _Controller | None = None

    @property
    def messages(self) -> list[ReceivedMail]:
        with self._mail_received:
            return list(self._received)

    def clear(self) -> None:
        with self._mail_received:
            self._received.clear()

    def wait_for(self, predicate: Callable[[ReceivedMail], bool], seconds: float = 10) -> ReceivedMail:
        """Return the first message that matches, already received or within this time."""
        with self._mail_received:
            match = self._mail_received.wait_for(lambda: next(filter(predicate, self._received), None), seconds)
            subjects = [str(received.message["Subject"]) for received in self._received]
        assert match, f"no such message in {seconds} seconds, only {subjects}"
        return match

    def start(self) -> Self:
        """Start, also again after `stop`, on the same port."""
        context = None if self._tls == "none" else self.certificate.server_context()
        self._controller = _Controller(
            _Handler(self._store, lambda: self.mode, self._login),
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="sink.test",
            ssl_context=context if self._tls == "implicit" else None,
            tls_context=context if self._tls == "starttls" else None,
            require_starttls=self._tls == "starttls",
            auth_require_tls=False,
            auth_exclude_mechanism=self._excluded_mechanisms,
            authenticator=self._authenticate,
        )
        self._controller.start()
        return self

    def stop(self) -> None:
        """Close all connections and stop. Received messages stay."""
        if self._controller:
            self._controller.disconnect_all()
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _store(self, received: ReceivedMail) -> None:
        with self._mail_received:
            self._received.append(received)
            self._mail_received.notify_all()

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, credentials: Any
    ) -> AuthResult:
        is_valid = isinstance(credentials, LoginPassword) and self._login == (
            credentials.login.decode(),
            credentials.password.decode(),
        )
        return AuthResult(success=is_valid, handled=False)


class _Handler:
    """The callbacks of aiosmtpd for the steps of a delivery."""

    def __init__(
        self, store: Callable[[ReceivedMail], None], mode: Callable[[], Mode], login: tuple[str, str] | None
    ) -> None:
        self._store = store
        self._mode = mode
        self._login = login

    async def auth_CRAM__MD5(self, server: SMTP, _args: list[str]) -> AuthResult:  # noqa: N802 (aiosmtpd's name)
        challenge, (user, password) = b"<1.2@sink.test>", self._login or ("", "")
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        response = await server.challenge_auth(challenge)
        return AuthResult(success=response == f"{user} {digest}".encode(), handled=False)

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        await self._wait_while("hang early")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._mode() == "reject":
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._wait_while("hang")
        if self._mode() == "tempfail":
            return "451 4.3.0 Try again later"
        self._store(ReceivedMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.original_content or b""))
        await self._wait_while("keep")
        if self._mode() == "drop":
            await _disconnect(server)
        return "250 2.0.0 Stored"

    async def _wait_while(self, mode: Mode) -> None:
        while self._mode() == mode:
            await asyncio.sleep(0.01)


class _Controller(Controller):
    """A controller that can close its connections: since Python 3.12 a server waits for the last of them."""

    def __init__(self, handler: _Handler, **settings: Any) -> None:
        super().__init__(handler, **settings)
        self._connections: list[SMTP] = []

    def factory(self) -> SMTP:
        self._connections.append(SMTP(self.handler, **self.SMTP_kwargs))
        return self._connections[-1]

    def disconnect_all(self) -> None:
        asyncio.run_coroutine_threadsafe(self._disconnect_all(), self.loop).result(10)

    async def _disconnect_all(self) -> None:
        await asyncio.gather(*(_disconnect(connection) for connection in self._connections))


async def _disconnect(connection: SMTP) -> None:
    transport = connection.transport
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        transport.abort()
    for _ in range(1000):
        if connection.transport is None:
            return
        await asyncio.sleep(0.001)
