"""One call over HTTP, on a connection of its own, and the row that it leaves in the history."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPException
from itertools import count
from typing import Any

from tests.faults.history import UNREACHED, Call, History
from tests.journeys.visitors import Answer, Visitor

Facts = dict[str, Any]
Learn = Callable[[Any], Facts]

_turns = count()


@dataclass(frozen=True)
class Ask:
    """What is asked, and what its row tells besides; `learn` takes more facts from a good answer."""

    action: str
    path: str
    body: Mapping[str, Any] | None = None
    token: str = ""
    learn: Learn = lambda body: {}
    facts: Mapping[str, Any] | None = None

    @property
    def method(self) -> str:
        return "GET" if self.body is None and self.action == "profile" else "POST"


@dataclass(frozen=True)
class Desk:
    """Where calls are made: two servers, asked by turns, and the history that notes it."""

    ports: tuple[int, ...]
    history: History

    def ask(self, person: str, network: str, what: Ask) -> tuple[Call, Any]:
        """The row, and the body of the answer; None where there is none."""
        at = next(_turns) % len(self.ports)
        call = Call(person, what.action, time.monotonic(), at=at, **(what.facts or {}))
        told, body = self._answer(at, network, what)
        facts = what.learn(body) if told["status"] == 200 else {}
        return self.history.add(replace(call, ended=time.monotonic(), **told, **facts)), body

    def _answer(self, at: int, network: str, what: Ask) -> tuple[Facts, Any]:
        with closing(Visitor(self.ports[at], network)) as visitor:
            try:
                answer = (
                    visitor.get(what.path, what.token)
                    if what.method == "GET"
                    else visitor.post(what.path, what.body, what.token)
                )
            except ConnectionRefusedError:
                return {"status": 0, "reason": UNREACHED}, None
            except (OSError, HTTPException) as error:
                return {"status": 0, "reason": type(error).__name__}, None
        return _told(answer)


def _told(answer: Answer) -> tuple[Facts, Any]:
    try:
        body = answer.body
    except json.JSONDecodeError:
        body = {}
    reason = "" if answer.status == 200 else body.get("code", "no JSON")
    return {"status": answer.status, "reason": reason, "says_when": "Retry-After" in answer.headers}, body
