"""A worker that is killed at any step of a send: the mail arrives, and if it comes twice it is the same mail."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from tests.faults.mailbox import Mailbox
from tests.faults.proxy import FaultProxy, is_commit
from tests.faults.site import Site, site
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import NETWORKS, Visitor

_CLAIM = re.compile(rb"UPDATE outbox SET [^;]*leased_until='")
_CONCLUDE = re.compile(rb"UPDATE outbox SET [^;]*leased_until=NULL")
# A dead worker's lease would be over in a minute.
FREE = "UPDATE outbox SET leased_until = created_at WHERE leased_until IS NOT NULL"
QUEUED = "SELECT id FROM outbox WHERE state = 'queued'"


@dataclass
class Bench:
    """The installation, whose worker has a wire to the database for itself."""

    site: Site
    wire: FaultProxy

    def hang(self, mode: str) -> None:
        self.site.sink.mode = mode  # type: ignore[assignment]

    def heal(self) -> None:
        self.wire.heal()
        self.wire.cuts = 0
        self.site.sink.stop()
        self.site.sink.mode = "ok"
        self.site.sink.start()


def _is_claim(said: bytes) -> bool:
    return _CLAIM.search(said) is not None


def _is_conclusion(said: bytes) -> bool:
    return _CONCLUDE.search(said) is not None


class _CommitOfConclusion:
    """Hears the commit that follows the statement which writes down what came of a send."""

    def __init__(self) -> None:
        self._is_near = False

    def __call__(self, said: bytes) -> bool:
        self._is_near = self._is_near or _is_conclusion(said)
        return self._is_near and is_commit(said)


STEPS: dict[str, tuple[Callable[[Bench], None], set[int]]] = {
    "before its claim": (lambda at: at.wire.silence_before(_is_claim), {1}),
    "claimed, not heard": (lambda at: at.wire.silence_after(_is_claim), {1}),
    "before the message": (lambda at: at.hang("hang early"), {1}),
    "the message is there, not taken": (lambda at: at.hang("hang"), {1}),
    "taken, and not said": (lambda at: at.hang("keep"), {2}),
    "taken, not written down": (lambda at: at.wire.silence_before(_is_conclusion), {2}),
    "written down, not committed": (lambda at: at.wire.silence_after(_is_conclusion), {2}),
    "committed, not heard": (lambda at: at.wire.silence_after(_CommitOfConclusion()), {1}),
}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with site() as here, FaultProxy(here.database.port) as wire:
        here.worker.close()
        settings = here.place.settings["SQLALCHEMY_DATABASE_URI"]
        here.place = here.place.having(
            SQLALCHEMY_DATABASE_URI=settings.replace(f":{here.wire.port}/", f":{wire.port}/")
        )
        here.start_worker()
        yield Bench(here, wire)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_is_killed_loses_no_mail_and_sends_one_copy_more_at_most(bench: Bench, step: str) -> None:
    break_off, copies = STEPS[step]
    email = f"{re.sub('[^a-z]+', '-', step)}@example.com"
    with closing(Visitor(bench.site.ports[0], next(NETWORKS))) as visitor:
        person = Traveller(visitor, bench.site.code_for, email)
        break_off(bench)
        person.register()
        bench.site.worker.wait_until(lambda: _is_held(bench, email))
        bench.site.worker.close()
        bench.heal()
        bench.site.execute(FREE)
        bench.site.start_worker()
        bench.site.worker.wait_until(lambda: not bench.site.execute(QUEUED))
        person.verify()

    mails = [mail for mail in Mailbox(bench.site.sink).mails if mail.to == email]
    assert len(mails) in copies
    assert len(set(mails)) == 1  # the same Message-ID, the same code


def _is_held(bench: Bench, email: str) -> bool:
    """Whether the worker stands where it is to be killed."""
    if bench.site.sink.mode == "ok":
        return bench.wire.cuts > 0
    is_claimed = bench.site.execute("SELECT id FROM outbox WHERE leased_until IS NOT NULL") > 0
    return is_claimed and (bench.site.sink.mode != "keep" or any(m.to == email for m in Mailbox(bench.site.sink).mails))
