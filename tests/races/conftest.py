"""Somebody with two sessions and whatever may end them; a post office; two server processes and those who race there.

RACE_ROUNDS is how many rounds every race has; without it each has what is usual for its price.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from tests.conftest import servers
from tests.mail.conftest import make_office, office, sink
from tests.people import THERE, People, Person
from tests.races.course import Course
from tests.recovery.test_nothing_old_opens import Before
from tests.registration.asking import GRACE_AT
from tests.servers import SmtpSink
from tests.sessions.holding import Holder

__all__ = ["make_office", "office", "sink"]

GIVEN = os.environ.get("RACE_ROUNDS")

Rounds = Callable[[int], range]


@pytest.fixture
def before(app: Flask, people: People) -> Before:
    mine = Holder.of(app)
    return Before(app, people, mine, Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE)))


@pytest.fixture(scope="session", params=servers())
def course(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    database = request.getfixturevalue(request.param)
    with SmtpSink() as sink, Course(database, sink, tmp_path_factory.mktemp("course")).running() as found:
        yield found


@pytest.fixture
def rounds(record_property: Callable[[str, object], None]) -> Rounds:
    """As many as are usual, or as were asked for."""

    def counted(usual: int) -> range:
        record_property("rounds", int(GIVEN or usual))
        return range(int(GIVEN or usual))

    return counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was run, and for how long."""
    races = [report for report in terminalreporter.getreports("passed") if dict(report.user_properties).get("rounds")]
    for report in races if GIVEN else []:
        name, count = report.nodeid.rpartition("::")[2], dict(report.user_properties)["rounds"]
        terminalreporter.write_line(f"{count:>5} rounds {report.duration:>7.1f} s  {name}")
