"""The hash process: results, a killed process, and the attempts of the requests that waited for it."""

import errno
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.support.inspect import error_of
from tests.support.users import PASSWORD, UserFactory
from werkzeug.security import generate_password_hash

from flaskauth.core.passwords import hashes, hashing
from flaskauth.core.passwords.hash_process import RESTART_DELAY, HashProcess, HashProcessLost

HASH_MEMORY = 19_456 * 1024  # bytes
LOGINS = 6  # more than the wrong passwords that one network may send
# With 8 MiB, one pass and a salt of zeros. If it changes, no stored recovery code is valid any more.
RECOVERY_CODE_HASH = "745c20bfae662760338cfed6f843210b3e771ad950396bb6843f6241a9ac329f"


def child_ids() -> set[int]:
    return {int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


def memory(pid: int) -> int:
    """Return the private memory of a process in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:"))


def stop(pid: int) -> None:
    """Stop a process, and wait until all its threads are stopped."""
    os.kill(pid, signal.SIGSTOP)
    while any(
        stat.read_text().rpartition(")")[2].split()[0] != "T" for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    ):
        time.sleep(0.001)


@contextmanager
def new_process() -> Iterator[tuple[HashProcess, Queue[dict[str, Any]]]]:
    """Create a hash process, not yet started, and the queue of the events that it logs."""
    events: Queue[dict[str, Any]] = Queue()
    others = set(threading.enumerate())
    process = HashProcess(lambda _name, **fields: events.put(fields))
    yield process, events
    process._sender.close()
    for thread in set(threading.enumerate()) - others:
        if thread.name == "hash-process":  # others, such as those of the hashing pool, run until the end
            thread.join()
    for end in (process._receiver, process._timeout_sender, process._timeout_receiver):
        end.close()


@contextmanager
def lost_requests(app: Flask) -> Iterator[None]:
    """Give the application a hash process that dies during each hash."""

    def lose_requests() -> None:
        while descriptors := socket.recv_fds(process._receiver, 16_384, 1)[1]:
            os.close(descriptors[0])

    pool = app.extensions[hashing.KEY]
    with new_process() as (process, _events):
        receiver = threading.Thread(target=lose_requests)
        receiver.start()
        pool.process = process
        yield
        pool.process = None
        process._sender.close()
        receiver.join()


def test_hash_process_hashes_and_restarts_when_killed() -> None:
    others = child_ids()
    with new_process() as (process, events):
        process.start()
        [pid] = child_ids() - others
        hashed = process.run(hashes.hash_password, "clé", "00" * 16)
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$AAAA")
        assert process.run(hashes.verify, "cle\u0301", hashed)
        assert not process.run(hashes.verify, "cle", hashed)
        assert process.run(hashes.verify, PASSWORD, generate_password_hash(PASSWORD, "pbkdf2:sha256:1"))
        codes = " ".join(["BCDFGHJKMNPQRSTV"] * 10)
        assert process.run(hashes.hash_recovery_codes, codes, "00" * 16).split() == [RECOVERY_CODE_HASH] * 10

        os.kill(pid, signal.SIGKILL)
        assert events.get() == {"status": -signal.SIGKILL, "delay": RESTART_DELAY}
        assert process.run(hashes.verify, "clé", hashed)


def test_hash_process_that_cannot_be_started_is_retried() -> None:
    """It is killed when the system has no file descriptor, or no memory, for a new one."""
    others = child_ids()
    with new_process() as (process, events):
        process.start()
        [pid] = child_ids() - others
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            os.kill(pid, signal.SIGKILL)
            assert events.get(timeout=10)["status"] == -signal.SIGKILL
            assert events.get(timeout=10)["errno"] == errno.EMFILE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert not process.run(hashes.verify, "x", hashes.DECOY_HASH)


def test_stopped_hash_process_is_replaced() -> None:
    others = child_ids()
    with new_process() as (process, events):
        process.start()
        [pid] = child_ids() - others
        assert not process.run(hashes.verify, "x", hashes.DECOY_HASH)
        sent_at = time.monotonic()
        stop(pid)
        process.result_timeout = 0.05
        with pytest.raises(HashProcessLost):
            process.run(hashes.verify, "x", hashes.DECOY_HASH)
        process._report_timeout(sent_at)  # a concurrent request: one log line for both
        process.result_timeout = 60
        assert events.get(timeout=60) == {}
        assert events.get(timeout=60) == {"status": -signal.SIGKILL, "delay": RESTART_DELAY}
        assert not process.run(hashes.verify, "x", hashes.DECOY_HASH)
        assert events.empty()


def test_hash_process_that_dies_at_start_is_delayed(tmp_path: Path) -> None:
    """Each start is logged once, and the next one waits twice as long."""
    (tmp_path / "flaskauth.py").write_text("raise SystemExit(3)")
    with new_process() as (process, events):
        os.environ["PYTHONPATH"] = str(tmp_path)
        try:
            process.start()
            restarts = [events.get(timeout=60) for _ in range(2)]
        finally:
            del os.environ["PYTHONPATH"]
        assert restarts == [{"status": 3, "delay": delay} for delay in (0.1, 0.2)]
        assert not process.run(hashes.verify, "x", hashes.DECOY_HASH)


def test_idle_hash_process_returns_its_memory() -> None:
    others = child_ids()
    with new_process() as (process, _events):
        process.start()
        [pid] = child_ids() - others
        for _ in range(3):
            process.run(hashes.hash_password, PASSWORD, None)
        assert memory(pid) > HASH_MEMORY
        deadline = time.monotonic() + 10
        while memory(pid) > HASH_MEMORY:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_hash_process_ends_when_its_senders_have_ended() -> None:
    with new_process() as (process, events):
        others = set(threading.enumerate())
        process.start()
        threads = {thread for thread in threading.enumerate() if thread.name == "hash-process"} - others
        process._sender.close()
        for thread in threads:
            thread.join(10)
        assert [thread.is_alive() for thread in threads] == [False, False]
        assert events.empty()


def test_hash_without_any_process_raises_an_error() -> None:
    with new_process() as (process, _events):
        process.detach()
        with pytest.raises(HashProcessLost):
            process.run(hashes.verify, "x", hashes.DECOY_HASH)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_login_with_killed_hash_process_refunds_the_attempt(make_app: MakeApp) -> None:
    app = make_app()
    user = UserFactory(app).create_verified()
    with lost_requests(app):
        responses = [user.login() for _ in range(LOGINS)]

    assert [error_of(response) for response in responses] == [(503, "overloaded")] * LOGINS
    assert user.login().status_code == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_killed_hash_process_keeps_earlier_failures(make_app: MakeApp) -> None:
    app = make_app()
    user = UserFactory(app).create_verified()
    for _ in range(5):
        user.login(password="wrong")
    with lost_requests(app):
        assert error_of(user.login(password="wrong")) == (503, "overloaded")

    assert error_of(user.login(password="wrong")) == (429, "too_many_requests")
