"""What people asked and what they were told: plain rows, for those who judge."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "refused", "unknown"]
UNREACHED = "unreached"  # nobody took the connection, so nothing was asked


@dataclass(frozen=True)
class Call:
    """One call. Moments are seconds of one clock; a status of 0 is no answer."""

    person: str
    action: str
    began: float = 0.0
    ended: float = 0.0
    status: int = 0
    reason: str = ""  # the refusal's code, or what broke
    says_when: bool = False  # whether there was Retry-After
    door: str = ""  # of the attempt or reset that the call opened or was brought to
    otp: str = ""
    session: str = ""  # whose token it brought, or which it opened
    ends: tuple[str, ...] = ()  # the sessions that are over once it is acknowledged
    brought: str = ""  # a refresh token
    gained: str = ""  # a refresh token
    password: str = ""  # that is tried, or set
    at: int = 0  # which of the servers was asked

    @property
    def outcome(self) -> Outcome:
        if self.status in range(200, 300):
            return "ok"
        return "refused" if self.status in range(400, 500) else "unknown"


def acked(calls: Sequence[Call], *actions: str) -> list[Call]:
    return [call for call in calls if call.action in actions and call.outcome == "ok"]


class History:
    """Calls of many threads, in the order of their ends."""

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
    """A time in which something was broken."""

    began: float
    ended: float

    def holds(self, call: Call) -> bool:
        """Whether all of a call lies within."""
        return self.began < call.began and call.ended < self.ended


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    descriptors: int
    memory: int  # bytes


@dataclass(frozen=True)
class Mail:
    """As the mail server got it."""

    to: str
    message_id: str
    otp: str


@dataclass(frozen=True)
class Sent:
    """A row of the outbox."""

    to: str
    template: str
    state: str
    message_id: str
    door: str
    tries: int


@dataclass(frozen=True)
class Ending:
    """What is there when all is over: the tables, the mails, what was written where secrets must not be."""

    attempts: dict[str, str] = field(default_factory=dict)  # door -> address
    codes: dict[str, str] = field(default_factory=dict)  # door -> purpose
    people: dict[str, int] = field(default_factory=dict)  # address -> id
    sessions: dict[str, bool] = field(default_factory=dict)  # id -> whether it is open
    events: Sequence[tuple[str, int | None, str]] = ()  # name, person, session
    outbox: Sequence[Sent] = ()
    mails: Sequence[Mail] = ()
    leaks: Sequence[str] = ()
    accidents: Sequence[str] = ()  # that a log tells of
    held: Sequence[tuple[Footprint, Footprint]] = ()  # by each process that lived through all of it: at first, at last


@dataclass(frozen=True)
class Bounds:
    """What a scenario allows and demands."""

    down: Sequence[Span] = ()  # the database was away
    read_only: Sequence[Span] = ()
    copies: int = 1  # of one mail
    recovered: Sequence[float] = ()  # seconds until ready, each time
    recovers_in: float = 5.0
    slowest: float = 20.0  # seconds a call may take
    loses_none: bool = False  # whether no call may go without an answer
    refuses_mail: bool = False  # whether mails may be dead at the end
    broke: bool = True  # whether the fault took place
