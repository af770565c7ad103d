"""The history of calls and the final state, as plain rows for the checkers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "rejected", "unknown"]
UNREACHED = "unreached"  # the connection was refused, so no request was sent


@dataclass(frozen=True)
class Call:
    """One call. Times are seconds of one clock; status 0 means no response."""

    user: str
    action: str
    started_at: float = 0.0
    ended_at: float = 0.0
    status: int = 0
    reason: str = ""  # the error code of the response, or the name of the exception
    has_retry_after: bool = False  # whether the response has Retry-After
    code_id: str = ""  # verification_id or reset_id that the call received or sent
    otp: str = ""
    session_id: str = ""  # the session whose token the call sent, or that it started
    revokes: tuple[str, ...] = ()  # the sessions that are revoked once the call is acknowledged
    sent_refresh_token: str = ""
    received_refresh_token: str = ""
    password: str = ""  # that the call tries or sets
    server: int = 0  # index of the server

    @property
    def outcome(self) -> Outcome:
        if self.status in range(200, 300):
            return "ok"
        return "rejected" if self.status in range(400, 500) else "unknown"


def acknowledged(calls: Sequence[Call], *actions: str) -> list[Call]:
    return [call for call in calls if call.action in actions and call.outcome == "ok"]


class History:
    """The calls of many threads, in the order of their end."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._lock = threading.Lock()

    def add(self, call: Call) -> Call:
        with self._lock:
            self._calls.append(call)
        return call

    @property
    def calls(self) -> Sequence[Call]:
        with self._lock:
            return list(self._calls)


@dataclass(frozen=True)
class Span:
    """A period in which a fault was active."""

    started_at: float
    ended_at: float

    def contains(self, call: Call) -> bool:
        """Return True if the whole call lies within the period."""
        return self.started_at < call.started_at and call.ended_at < self.ended_at


@dataclass(frozen=True)
class ResourceUsage:
    """The resources of a process."""

    descriptors: int
    memory: int  # bytes


@dataclass(frozen=True)
class Mail:
    """A mail as the mail server received it."""

    to: str
    message_id: str
    otp: str


@dataclass(frozen=True)
class OutboxRow:
    """A row of the outbox."""

    to: str
    template: str
    state: str
    message_id: str
    code_id: str
    attempts: int


@dataclass(frozen=True)
class FinalState:
    """The tables, the received mails, and the secrets found where none must be."""

    registrations: dict[str, str] = field(default_factory=dict)  # code id -> email
    codes: dict[str, str] = field(default_factory=dict)  # code id -> purpose
    users: dict[str, int] = field(default_factory=dict)  # email -> id
    sessions: dict[str, bool] = field(default_factory=dict)  # id -> whether it is active
    events: Sequence[tuple[str, int | None, str]] = ()  # name, user, session
    outbox: Sequence[OutboxRow] = ()
    mails: Sequence[Mail] = ()
    leaks: Sequence[str] = ()
    unhandled_exceptions: Sequence[str] = ()  # in a log
    resource_usage: Sequence[
        tuple[ResourceUsage, ResourceUsage]
    ] = ()  # of each process that survived: before the faults, after them


@dataclass(frozen=True)
class Expectations:
    """What a scenario allows and requires."""

    database_down: Sequence[Span] = ()  # periods without the database
    read_only: Sequence[Span] = ()
    max_mail_copies: int = 1  # of one mail
    recovery_seconds: Sequence[float] = ()  # until both servers were ready, each time
    max_recovery_seconds: float = 5.0
    max_call_seconds: float = 20.0
    requires_all_responses: bool = False  # no call may go without a response
    allows_failed_mail: bool = False  # mails may be in state failed at the end
    fault_happened: bool = True
