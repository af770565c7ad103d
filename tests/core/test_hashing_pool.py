"""The hashing pool: concurrency within the number of CPUs, a short queue, and 503 if the wait would be too long."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import WRONG_CODE
from tests.support.inspect import error_of, hash_count, statement_counts
from tests.support.users import PASSWORD, UserFactory, registration_form

from flaskauth.core.errors import Overloaded
from flaskauth.core.passwords import hashing
from flaskauth.core.passwords.hashing import HashingPool

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

OVERLOADED = (503, "overloaded")


@contextmanager
def fill_pool(pool: HashingPool, jobs: int) -> Iterator[list[Future[bool]]]:
    """Submit this number of jobs, which run until the context ends."""
    release = threading.Event()
    with ThreadPoolExecutor(jobs) as threads:
        waiting = [threads.submit(pool.run, lambda: release.wait(10)) for _ in range(jobs)]
        while pool.pending < jobs - sum(future.done() for future in waiting):
            time.sleep(0.001)
        yield waiting
        release.set()


def rejected_count(waiting: list[Future[bool]]) -> int:
    return sum(isinstance(future.exception(), Overloaded) for future in waiting if future.done())


def test_hashing_full_queue_raises_overloaded() -> None:
    pool = HashingPool(processes=1, max_queued=4)
    with fill_pool(pool, 4) as waiting, pytest.raises(Overloaded):
        pool.run(lambda: True)

    assert all(future.result() for future in waiting)
    assert pool.run(lambda: True)


def test_hashing_queue_holds_half_a_second_of_work() -> None:
    pool = HashingPool(processes=10_000, max_queued=1000)
    assert pool.thread_count == 1
    with fill_pool(pool, 30) as waiting:
        assert rejected_count(waiting) == 30 - 11  # at 0.05 seconds, the initial estimate of one hash


def test_hashing_slow_hashes_shorten_the_queue() -> None:
    pool = HashingPool(processes=10_000, max_queued=1000)
    for _ in range(2):
        pool.run(lambda: time.sleep(0.4))
    with fill_pool(pool, 30) as waiting:
        assert rejected_count(waiting) > 20


def test_hashing_concurrency_stays_within_pool_width() -> None:
    running, maximum, lock = [0], [0], threading.Lock()
    pool = HashingPool(processes=1, max_queued=100)

    def work() -> None:
        with lock:
            running[0] += 1
            maximum[0] = max(maximum[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: pool.run(work), range(12)))
    assert maximum[0] <= pool.thread_count


def test_hashing_failed_job_frees_its_slot() -> None:
    pool = HashingPool(processes=1, max_queued=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            pool.run(lambda: 1 / 0)

    assert pool.run(lambda: True)


def test_hashing_reserved_slot_serves_several_hashes() -> None:
    pool = HashingPool(processes=1, max_queued=1)
    with pool.reserve(), ThreadPoolExecutor(1) as other_thread:
        for _ in range(2):
            assert pool.run(lambda: True)
            with pytest.raises(Overloaded):
                other_thread.submit(pool.run, lambda: True).result()

    assert pool.run(lambda: True)
    assert pool.completed == 3


def test_hashing_unqueued_run_is_allowed_when_pool_is_full() -> None:
    pool = HashingPool(processes=1, max_queued=1)
    with pool.reserve():
        assert pool.run(lambda: True)
        with ThreadPoolExecutor(1) as other_thread, pytest.raises(Overloaded):
            other_thread.submit(pool.run, lambda: True).result()
        assert pool.run_unqueued(lambda: True)


def test_hashing_time_around_the_hash_shortens_the_queue() -> None:
    """On a busy machine all of a login is slow; the limit applies to the whole slot, not to the hash alone."""
    pool = HashingPool(processes=10_000, max_queued=1000)
    for _ in range(8):
        with pool.reserve():
            pool.run(lambda: True)
            time.sleep(0.2)
    with fill_pool(pool, 30) as waiting:
        assert rejected_count(waiting) > 20


def test_hashing_long_wait_raises_overloaded() -> None:
    pool, release = HashingPool(processes=10_000, max_queued=1000), threading.Event()
    pool.max_wait = 0.05

    def occupy() -> None:
        with pool.reserve():
            release.wait(10)

    with ThreadPoolExecutor(hashing.OPERATIONS_PER_THREAD) as threads:
        operations = [threads.submit(occupy) for _ in range(hashing.OPERATIONS_PER_THREAD)]
        while pool._operation_slots._value:
            time.sleep(0.001)
        with pytest.raises(Overloaded), pool.reserve():
            pass
        assert pool.pending == len(operations)
        release.set()
    with pool.reserve():
        assert pool.run(lambda: True)


@pytest.fixture
def small_app(make_app: MakeApp) -> Flask:
    return make_app(DATABASE_POOL_SIZE="2")


@ON_SQLITE
def test_login_and_register_when_overloaded_return_503(small_app: Flask) -> None:
    user = UserFactory(small_app).create_verified()
    with fill_pool(small_app.extensions[hashing.KEY], 2):
        started = time.monotonic()
        responses = [user.login(), user.client.post("/auth/register", json=registration_form("ada@example.com"))]
        assert time.monotonic() - started < 5
        assert user.client.get("/health/live").status_code == 200

    assert [error_of(response) for response in responses] == [OVERLOADED] * 2
    assert user.login().status_code == 200


@ON_SQLITE
def test_overloaded_request_runs_no_database_statement(small_app: Flask) -> None:
    """Under overload, rejected requests must be cheap: nothing is read, counted or hashed."""
    user = UserFactory(small_app).create_verified()
    request_reset(UserFactory(small_app))
    body = {"email": user.email, "otp": WRONG_CODE, "password": NEW_PASSWORD}
    with fill_pool(small_app.extensions[hashing.KEY], 2), statement_counts(small_app) as counts:
        responses = [
            user.login(),
            user.client.post("/auth/register", json=registration_form("ada@example.com")),
            user.client.post("/auth/reset-password", json=body),
        ]

    assert [error_of(response) for response in responses] == [OVERLOADED] * 3
    assert counts == {}


@ON_SQLITE
def test_overloaded_reset_does_not_count_otp_attempts(small_app: Flask) -> None:
    users = UserFactory(small_app)
    users.create_verified()
    reset = request_reset(users)
    with fill_pool(small_app.extensions[hashing.KEY], 2):
        responses = [reset_password(users.client, reset.code, reset_id=reset.id) for _ in range(6)]

    assert [error_of(response) for response in responses] == [OVERLOADED] * 6
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200


@ON_SQLITE
def test_overloaded_login_holds_no_database_connection(small_app: Flask) -> None:
    """There are more queued hashes than connections: a request that waits for a hash must not hold a connection."""
    user = UserFactory(small_app).create_verified()
    with fill_pool(small_app.extensions[hashing.KEY], 2):
        for _ in range(4):
            user.login()
        assert user.client.get("/countries").status_code == 200


@ON_SQLITE
def test_register_and_login_hash_one_password_each(app: Flask, users: UserFactory) -> None:
    before = hash_count(app)
    users.register()
    assert hash_count(app) - before == 1
    users.client.post("/auth/login", json={"email": "grace@example.com", "password": PASSWORD})
    assert hash_count(app) - before == 2
