"""One address in each state that the server can know one in, and what can be seen of an answer about it."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.inside import hashes, within, work
from tests.people import THERE, People, network
from tests.registration.asking import elsewhere
from tests.tables import counts, written
from werkzeug.test import TestResponse

from flaskauth.accounts import service as accounts
from flaskauth.accounts.addresses import parse
from flaskauth.accounts.models import User
from flaskauth.codes import links
from flaskauth.foundation import clock
from flaskauth.users import service as users

ATTEMPTED = "fifty thin candles"  # the password of the attempts that wait
STATES = ("unknown", "pending", "account", "decoyed", "disabled", "closing", "kept", "shut", "unproven", "respelled")
RANDOM = re.compile(r'(?<="verification_id":")[\w-]{22}(?=")|(?<="reset_id":")[\w-]{22}(?=")')
SECONDS = re.compile(r'(?<="retry_after":)(\d+)')

Given = Callable[[Flask, str], object]


def address(state: str) -> str:
    """As it is asked about."""
    return "RESPELLED@Example.com" if state == "respelled" else f"{state}@example.com"


def fill(app: Flask, people: People) -> None:
    """Have an address of each state: nobody's, one being proven, an account's and what can become of one."""
    people.joined(address("account"))
    within(app, _others)
    for state in ("pending", "decoyed"):
        people.pending(address(state), THERE, password=ATTEMPTED)


def _others() -> None:
    """Accounts like the first one, and what people and operators did about them since."""
    for state in STATES[3:]:
        _like(address("account"), f"{state}@example.com")
    users.disable(parse(address("disabled")))
    accounts.begin_closing(_person("closing").id, clock.now() + timedelta(days=7))
    accounts.demand_reset(_person("shut").id)
    accounts.edit(_person("unproven"), is_verified=False)
    moved = _person("kept")
    links.issue(links.UNDO, moved.id, email=moved.email, address=moved.address)
    accounts.edit(moved, email="moved@example.com", address="moved@example.com")


def _like(model: str, email: str) -> None:
    first = accounts.find(model)
    about = {name: getattr(first, name) for name in ("password", "first_name", "last_name", "country_id", "locale")}
    accounts.create(email=email, address=email, **about)


def _person(state: str) -> User:
    found = accounts.find(address(state))
    assert found
    return found


@dataclass
class Asker:
    """Somebody who asks about one address, and remembers the ids that were answered."""

    client: FlaskClient
    email: str
    at: str = field(default_factory=elsewhere)
    ids: dict[str, str] = field(default_factory=dict)

    def asks(self, path: str, body: dict[str, str], door: str) -> TestResponse:
        named = {"email": self.email, **self.ids}
        sent = {**body, door: named[door]} if door else body
        answer = self.client.post(path, json=sent, headers={**network(self.at), "X-Request-ID": "the-same"})
        told = answer.get_json()
        self.ids |= {name: told[name] for name in ("verification_id", "reset_id") if name in told}
        return answer


def looks(answer: TestResponse) -> tuple[Any, ...]:
    """Every byte of an answer, but for what is random in it and the second in which a wait began."""
    headers = [(name, value) for name, value in answer.headers.items() if name != "Retry-After"]
    text = RANDOM.sub("random", answer.text)
    return answer.status_code, SECONDS.sub(_about, text), "Retry-After" in answer.headers, sorted(headers)


class Watch:
    """What can be seen of answers and what they cost. Which budgets an address has depends on what was asked before."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rows = counts(app, but=["budgets"])

    def sees(self, ask: Callable[[], TestResponse]) -> tuple[Any, ...]:
        """The answer, the rows, the hashes and the statements."""
        before, hashed = self._rows, hashes(self._app)
        with work(self._app) as done:
            answer = ask()
        self._rows = counts(self._app, but=["budgets"])
        statements = Counter({kind: times for kind, times in done.items() if "budgets" not in kind})
        return looks(answer), written(before, self._rows), hashes(self._app) - hashed, statements


def _about(seconds: re.Match[str]) -> str:
    """The seconds of a wait, to the next 100: a slow machine has waited some of them already."""
    return str(-(-int(seconds.group()) // 100) * 100)


def askers(client: FlaskClient, states: tuple[str, ...]) -> Iterator[Asker]:
    return (Asker(client, address(state)) for state in states)
