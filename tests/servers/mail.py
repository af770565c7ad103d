"""A mail server that keeps what it gets, and misbehaves when told to."""

import asyncio
import email
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from functools import cached_property
from typing import Any, Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.servers.certificates import Certificate
from tests.servers.process import free_port

Mode = Literal["ok", "tempfail", "reject", "hang early", "hang", "keep", "drop"]
Tls = Literal["none", "starttls", "implicit"]

# What aiosmtpd tells of every connection would outlive the test that listens.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Received:
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @cached_property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=default)


class SmtpSink:
    """Speaks SMTP on a free loopback port. `mode` may change at any time:

    "ok" keeps the message; "tempfail" answers 451 to it and "reject" 550 to its recipient; "hang" leaves it
    unanswered until the mode changes, "hang early" its sender; "keep" keeps it and hangs, "drop" and hangs up.
    """

    def __init__(
        self, *, tls: Tls = "none", login: tuple[str, str] | None = None, certificate: Certificate | None = None
    ) -> None:
        """With a login (name, password), mail is taken after AUTH only."""
        self.port = free_port()
        self.mode: Mode = "ok"
        self.certificate = certificate or Certificate()
        self._tls = tls
        self._login = login
        self._received: list[Received] = []
        self._news = threading.Condition()
        self._controller: _Controller | None = None

    @property
    def messages(self) -> list[Received]:
        with self._news:
            return list(self._received)

    def forget(self) -> None:
        with self._news:
            self._received.clear()

    def wait_for(self, predicate: Callable[[Received], bool], seconds: float = 10) -> Received:
        """The first message that fits, which may be there already."""
        with self._news:
            found = self._news.wait_for(lambda: next(filter(predicate, self._received), None), seconds)
            subjects = [str(received.message["Subject"]) for received in self._received]
        assert found, f"no such message in {seconds} seconds, only {subjects}"
        return found

    def start(self) -> Self:
        """Start, or start again on the same port."""
        context = None if self._tls == "none" else self.certificate.for_server()
        self._controller = _Controller(
            _Handler(self._keep, lambda: self.mode, must_log_in=self._login is not None),
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="sink.test",
            ssl_context=context if self._tls == "implicit" else None,
            tls_context=context if self._tls == "starttls" else None,
            require_starttls=self._tls == "starttls",
            auth_require_tls=False,
            authenticator=self._check,
        )
        self._controller.start()
        return self

    def stop(self) -> None:
        """Hang up on everybody. What was received stays."""
        if self._controller:
            self._controller.hang_up()
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _keep(self, received: Received) -> None:
        with self._news:
            self._received.append(received)
            self._news.notify_all()

    def _check(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        known = isinstance(given, LoginPassword) and self._login == (given.login.decode(), given.password.decode())
        return AuthResult(success=known, handled=False)


class _Handler:
    """What aiosmtpd asks at each step of a delivery."""

    def __init__(self, keep: Callable[[Received], None], mode: Callable[[], Mode], *, must_log_in: bool) -> None:
        self._keep = keep
        self._mode = mode
        self._must_log_in = must_log_in

    async def handle_MAIL(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._must_log_in and not session.authenticated:
            return "530 5.7.0 Authentication required"
        await self._hang_while("hang early")
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._mode() == "reject":
            return "550 5.1.1 No such person here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await self._hang_while("hang")
        if self._mode() == "tempfail":
            return "451 4.3.0 Try again later"
        self._keep(Received(envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.original_content or b""))
        await self._hang_while("keep")
        if self._mode() == "drop":
            await _hang_up(server)
        return "250 2.0.0 Kept"

    async def _hang_while(self, mode: Mode) -> None:
        while self._mode() == mode:
            await asyncio.sleep(0.01)


class _Controller(Controller):
    """Knows its connections: since Python 3.12 a server does not end before the last of them does."""

    def __init__(self, handler: _Handler, **settings: Any) -> None:
        super().__init__(handler, **settings)
        self._connections: list[SMTP] = []

    def factory(self) -> SMTP:
        self._connections.append(SMTP(self.handler, **self.SMTP_kwargs))
        return self._connections[-1]

    def hang_up(self) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up_all(), self.loop).result(10)

    async def _hang_up_all(self) -> None:
        await asyncio.gather(*(_hang_up(connection) for connection in self._connections))


async def _hang_up(connection: SMTP) -> None:
    transport = connection.transport
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        transport.abort()
    for _ in range(1000):
        if connection.transport is None:
            return
        await asyncio.sleep(0.001)
