"""Passwords are hashed no wider than the processors, in a short queue, and whoever would wait too long is told so."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.inside import hashes, refused, work
from tests.passwords.asking import NEW, asked_for, reset
from tests.people import PASSWORD, People, form
from tests.registration.asking import NOT_IT

from flaskauth.foundation import hashing
from flaskauth.foundation.errors import Overloaded
from flaskauth.foundation.hashing import Pool

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

OVERLOADED = (503, "overloaded")


@contextmanager
def full(pool: Pool, works: int) -> Iterator[list[Future[bool]]]:
    """So many works that nobody finishes meanwhile."""
    release = threading.Event()
    with ThreadPoolExecutor(works) as threads:
        waiting = [threads.submit(pool.run, lambda: release.wait(10)) for _ in range(works)]
        while pool.unfinished < works - sum(future.done() for future in waiting):
            time.sleep(0.001)
        yield waiting
        release.set()


def refusals(waiting: list[Future[bool]]) -> int:
    return sum(isinstance(future.exception(), Overloaded) for future in waiting if future.done())


def test_no_more_wait_than_may() -> None:
    pool = Pool(processes=1, most_waiting=4)
    with full(pool, 4) as waiting, pytest.raises(Overloaded):
        pool.run(lambda: True)

    assert all(future.result() for future in waiting)
    assert pool.run(lambda: True)


def test_the_queue_is_at_most_half_a_second_of_work() -> None:
    pool = Pool(processes=10_000, most_waiting=1000)
    assert pool.width == 1
    with full(pool, 30) as waiting:
        assert refusals(waiting) == 30 - 11  # at the 0.05 seconds that a hash is taken for at first


def test_slow_hashes_make_the_queue_shorter() -> None:
    pool = Pool(processes=10_000, most_waiting=1000)
    for _ in range(2):
        pool.run(lambda: time.sleep(0.4))
    with full(pool, 30) as waiting:
        assert refusals(waiting) > 20


def test_it_is_no_wider_than_the_share_of_a_process() -> None:
    running, most, lock = [0], [0], threading.Lock()
    pool = Pool(processes=1, most_waiting=100)

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: pool.run(work), range(12)))
    assert most[0] <= pool.width


def test_a_work_that_fails_gives_its_place_back() -> None:
    pool = Pool(processes=1, most_waiting=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            pool.run(lambda: 1 / 0)

    assert pool.run(lambda: True)


def test_a_place_is_kept_for_all_that_its_story_hashes_and_then_given_back() -> None:
    pool = Pool(processes=1, most_waiting=1)
    with pool.place(), ThreadPoolExecutor(1) as another:
        for _ in range(2):
            assert pool.run(lambda: True)
            with pytest.raises(Overloaded):
                another.submit(pool.run, lambda: True).result()

    assert pool.run(lambda: True)
    assert pool.performed == 3


def test_a_story_that_had_its_turn_is_not_sent_away_half_way() -> None:
    pool = Pool(processes=1, most_waiting=1)
    with pool.place():
        assert pool.run(lambda: True)
        with ThreadPoolExecutor(1) as another, pytest.raises(Overloaded):
            another.submit(pool.run, lambda: True).result()
        assert pool.once_more(lambda: True)


def test_what_is_done_beside_the_hash_makes_the_queue_shorter_too() -> None:
    """A busy machine takes long for all of a sign-in; the bound is on that, not on the hash alone."""
    pool = Pool(processes=10_000, most_waiting=1000)
    for _ in range(8):
        with pool.place():
            pool.run(lambda: True)
            time.sleep(0.2)
    with full(pool, 30) as waiting:
        assert refusals(waiting) > 20


@pytest.fixture
def busy(make_app: MakeApp) -> Flask:
    return make_app(DATABASE_POOL_SIZE="2")


@ON_SQLITE
def test_whoever_comes_to_a_full_server_is_told_to_come_again(busy: Flask) -> None:
    person = People(busy).joined()
    with full(busy.extensions[hashing.KEY], 2):
        begun = time.monotonic()
        sent_away = [person.sign_in(), person.client.post("/auth/register", json=form("ada@example.com"))]
        assert time.monotonic() - begun < 5
        assert person.client.get("/health/live").status_code == 200

    assert [refused(answer) for answer in sent_away] == [OVERLOADED] * 2
    assert person.sign_in().status_code == 200


@ON_SQLITE
def test_whoever_is_sent_away_costs_nothing(busy: Flask) -> None:
    """In a storm there are hundreds of them: nothing is read, counted or hashed for any."""
    person = People(busy).joined()
    asked_for(People(busy))
    told = {"email": person.email, "otp": NOT_IT, "password": NEW}
    with full(busy.extensions[hashing.KEY], 2), work(busy) as done:
        sent_away = [
            person.sign_in(),
            person.client.post("/auth/register", json=form("ada@example.com")),
            person.client.post("/auth/reset-password", json=told),
        ]

    assert [refused(answer) for answer in sent_away] == [OVERLOADED] * 3
    assert done == {}


@ON_SQLITE
def test_a_code_that_came_to_a_full_server_keeps_its_tries(busy: Flask) -> None:
    people = People(busy)
    people.joined()
    asked = asked_for(people)
    with full(busy.extensions[hashing.KEY], 2):
        sent_away = [reset(people.client, asked.code, reset_id=asked.id) for _ in range(6)]

    assert [refused(answer) for answer in sent_away] == [OVERLOADED] * 6
    assert reset(people.client, asked.code, reset_id=asked.id).status_code == 200


@ON_SQLITE
def test_whoever_was_sent_away_holds_no_connection(busy: Flask) -> None:
    """Hashes outnumber connections: a wait for a hash must not be a wait for the database."""
    person = People(busy).joined()
    with full(busy.extensions[hashing.KEY], 2):
        for _ in range(4):
            person.sign_in()
        assert person.client.get("/countries").status_code == 200


@ON_SQLITE
def test_one_password_is_one_hash(app: Flask, people: People) -> None:
    before = hashes(app)
    people.pending()
    assert hashes(app) - before == 1
    people.client.post("/auth/login", json={"email": "grace@example.com", "password": PASSWORD})
    assert hashes(app) - before == 2
