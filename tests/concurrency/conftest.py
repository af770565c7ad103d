"""A user with two sessions, a mail harness, and two server processes for parallel requests.

CONCURRENCY_ROUNDS overrides the number of rounds of every parallel test.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from tests.concurrency.servers import ServerPair, SqliteFiles
from tests.conftest import databases, sql_servers
from tests.mail.conftest import harness, make_harness, smtp_sink
from tests.security_alerts.conftest import account
from tests.servers import SmtpSink

__all__ = ["account", "harness", "make_harness", "smtp_sink"]

ROUNDS_OVERRIDE = os.environ.get("CONCURRENCY_ROUNDS")

Rounds = Callable[[int], range]


@pytest.fixture(scope="session", params=sql_servers() or databases())
def server_pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerPair]:
    """Two server processes, on SQLite only if TEST_DATABASES names no other database."""
    is_sqlite = request.param == "sqlite"
    database = SqliteFiles(tmp_path_factory.mktemp("sqlite")) if is_sqlite else request.getfixturevalue(request.param)
    with SmtpSink() as sink, ServerPair(database, sink, tmp_path_factory.mktemp("servers")).run() as pair:
        yield pair


@pytest.fixture
def rounds(record_property: Callable[[str, object], None]) -> Rounds:
    """Return a function that gives the number of rounds: the default, or CONCURRENCY_ROUNDS."""

    def rounds_for(default: int) -> range:
        record_property("rounds", int(ROUNDS_OVERRIDE or default))
        return range(int(ROUNDS_OVERRIDE or default))

    return rounds_for


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the rounds and the duration of each parallel test."""
    reports = [report for report in terminalreporter.getreports("passed") if dict(report.user_properties).get("rounds")]
    for report in reports if ROUNDS_OVERRIDE else []:
        name, count = report.nodeid.rpartition("::")[2], dict(report.user_properties)["rounds"]
        terminalreporter.write_line(f"{count:>5} rounds {report.duration:>7.1f} s  {name}")
