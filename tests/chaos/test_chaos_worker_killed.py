"""A worker is killed at each step of a delivery: the mail arrives, at most twice, with the same Message-ID and code."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import get_ident

import pytest
from tests.chaos.environment import Environment, start_environment
from tests.chaos.mailbox import Mailbox
from tests.chaos.proxy import FaultProxy, is_commit
from tests.e2e.http_client import CLIENT_IPS, HttpClient
from tests.e2e.scenario import UserScenario

_CLAIM = re.compile(rb"UPDATE outbox SET [^;]*leased_until='")
_RESULT_UPDATE = re.compile(rb"UPDATE outbox SET [^;]*leased_until=NULL")
# The lease of a killed worker would expire in a minute.
EXPIRE_LEASES = "UPDATE outbox SET leased_until = created_at WHERE leased_until IS NOT NULL"
QUEUED = "SELECT id FROM outbox WHERE state = 'queued'"


@dataclass
class WorkerEnvironment:
    """An environment whose worker has its own proxy to the database."""

    environment: Environment
    database_proxy: FaultProxy

    def set_smtp_mode(self, mode: str) -> None:
        self.environment.sink.mode = mode  # type: ignore[assignment]

    def heal(self) -> None:
        self.database_proxy.heal()
        self.environment.sink.stop()
        self.environment.sink.mode = "ok"
        self.environment.sink.start()


def _is_claim(data: bytes) -> bool:
    return _CLAIM.search(data) is not None


def _is_result_update(data: bytes) -> bool:
    return _RESULT_UPDATE.search(data) is not None


class _CommitOfResult:
    """Matches the commit that follows the statement that records a delivery, on the same connection.

    The proxy has a thread for each connection.
    """

    def __init__(self) -> None:
        self._thread: int | None = None

    def __call__(self, data: bytes) -> bool:
        if _is_result_update(data):
            self._thread = get_ident()
        return self._thread == get_ident() and is_commit(data)


KILL_POINTS: dict[str, tuple[Callable[[WorkerEnvironment], None], set[int]]] = {
    "before the claim": (lambda env: env.database_proxy.silence_before(_is_claim), {1}),
    "claimed, response lost": (lambda env: env.database_proxy.silence_after(_is_claim), {1}),
    "before the message": (lambda env: env.set_smtp_mode("hang early"), {1}),
    "message received, not accepted": (lambda env: env.set_smtp_mode("hang"), {1}),
    "accepted, response lost": (lambda env: env.set_smtp_mode("keep"), {2}),
    "accepted, not recorded": (lambda env: env.database_proxy.silence_before(_is_result_update), {2}),
    "recorded, not committed": (lambda env: env.database_proxy.silence_after(_is_result_update), {2}),
    "committed, response lost": (lambda env: env.database_proxy.silence_after(_CommitOfResult()), {1}),
}


@pytest.fixture(scope="module")
def worker_environment() -> Iterator[WorkerEnvironment]:
    with start_environment() as environment, FaultProxy(environment.database.port) as proxy:
        environment.worker.close()
        database_url = environment.workspace.settings["SQLALCHEMY_DATABASE_URI"]
        environment.workspace = environment.workspace.with_settings(
            SQLALCHEMY_DATABASE_URI=database_url.replace(f":{environment.database_proxy.port}/", f":{proxy.port}/")
        )
        environment.start_worker()
        yield WorkerEnvironment(environment, proxy)


@pytest.mark.parametrize("step", KILL_POINTS)
def test_killed_worker_loses_no_mail_and_repeats_at_most_one(worker_environment: WorkerEnvironment, step: str) -> None:
    prepare_kill, expected_counts = KILL_POINTS[step]
    email = f"{re.sub('[^a-z]+', '-', step)}@example.com"
    with closing(HttpClient(worker_environment.environment.ports[0], next(CLIENT_IPS))) as http_client:
        user = UserScenario(http_client, worker_environment.environment.wait_for_code, email)
        prepare_kill(worker_environment)
        user.register()
        worker_environment.environment.worker.wait_until(lambda: _is_at_kill_point(worker_environment, email))
        worker_environment.environment.worker.close()
        worker_environment.heal()
        worker_environment.environment.execute_sql(EXPIRE_LEASES)
        worker_environment.environment.start_worker()
        worker_environment.environment.worker.wait_until(lambda: not worker_environment.environment.execute_sql(QUEUED))
        user.verify()

    mails = [mail for mail in Mailbox(worker_environment.environment.sink).mails if mail.to == email]
    assert len(mails) in expected_counts
    assert len(set(mails)) == 1  # the same Message-ID, the same code


def _is_at_kill_point(worker_environment: WorkerEnvironment, email: str) -> bool:
    """Return True if the worker has reached the step at which it is to be killed."""
    if worker_environment.environment.sink.mode == "ok":
        return worker_environment.database_proxy.is_silent
    is_claimed = worker_environment.environment.execute_sql("SELECT id FROM outbox WHERE leased_until IS NOT NULL") > 0
    return is_claimed and (
        worker_environment.environment.sink.mode != "keep"
        or any(m.to == email for m in Mailbox(worker_environment.environment.sink).mails)
    )
