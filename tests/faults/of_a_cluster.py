"""Faults of a cluster of databases. Each is made again and again until its time is over."""

from tests.faults.under_way import Run
from tests.servers.galera import Galera


def kill_the_writer(run: Run) -> None:
    for _ in run.each():
        writer = _cluster(run).writer()
        writer.kill()
        run.broke += 1
        run.healed()  # it is not: the others have to do without
        writer.start()


def _cluster(run: Run) -> Galera:
    assert isinstance(run.site.database, Galera)
    return run.site.database
