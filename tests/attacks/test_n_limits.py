"""N: who dodges a limit, or makes the server work for others."""

import json
import time

import pytest
from sqlalchemy import select
from tests.attacks.crowds import crowd
from tests.attacks.judging import Judge
from tests.conftest import MakeApp
from tests.inside import held_for, refused, rows, together
from tests.journal import Journal
from tests.login.guessing import Guesser
from tests.people import HERE, Person, form, network
from tests.registration.asking import elsewhere
from werkzeug.test import TestResponse

from flaskauth.throttles.models import Budget

INVALID, HELD = (422, "invalid_input"), (429, "too_many_requests")


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_n01_addresses_that_a_client_makes_up(journal: Journal, make_app: MakeApp) -> None:
    judge = Judge(make_app(TRUSTED_PROXIES=""), journal)
    names = (
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Client-IP",
        "Via",
        "X_Forwarded_For",
    )
    with judge.case(hashed=0):
        statuses = [
            judge.client.post(
                "/auth/register", json=form(password=""), headers={name: f"for={elsewhere()}", **network(elsewhere())}
            )
            for name in names * 2
        ]
        assert {refused(answer) for answer in statuses[-4:]} == {HELD}


def test_n01_hops_before_the_last(judge: Judge) -> None:
    with judge.case(hashed=0):
        tails = (
            HERE,
            f"{HERE}:4711",
            f" {HERE} ",
            f"::ffff:{HERE}",
            f"{HERE}%eth0",
            f"127.0.0.1, {HERE}, 127.0.0.1",
            f"x,{HERE}",
        )
        answers = [
            judge.client.post("/auth/register", json=form(password=""), headers=network(f"{elsewhere()}, {tail}"))
            for tail in tails * 2
        ]
        assert [refused(answer) for answer in answers] == [INVALID] * 10 + [HELD] * 4


def test_n03_addresses_that_are_none(judge: Judge) -> None:
    odd = (
        "unknown",
        "",
        "_hidden",
        "1.2.3",
        "999.1.1.1",
        "x" * 5000,
        "'",
        "\xff",
        "0x7f.1",
        "-",
        ",,,",
        "[",
        "1::1::",
        "1.2.3.4.5",
    )
    with judge.case(hashed=0):
        answers = [judge.client.post("/auth/register", json=form(password=""), headers=network(hop)) for hop in odd]
        assert [refused(answer) for answer in answers] == [INVALID] * 10 + [HELD] * (len(odd) - 10)


def test_n07_keys_that_are_made_of_what_was_sent(judge: Judge) -> None:
    with judge.case(hashed=3, events={"sign_in_failed"}):
        for email in ("a*b@example.com", "a%b@example.com", "{a}@example.com"):
            assert Person(judge.client, email).sign_in("x", elsewhere()).status_code == 401, email
        for email in ("a:b@example.com", "a\nb@example.com", "a\x00b@example.com", "a" * 60_000):
            assert refused(Person(judge.client, email).sign_in("x", elsewhere())) == INVALID
    assert {len(key) for key in rows(judge.app, select(Budget.key))} == {32}


def test_n09_whom_a_limit_knows(judge: Judge) -> None:
    people = crowd(judge)

    def ask(email: str, at: str) -> TestResponse:
        guesser = Guesser(judge.app, email, at)
        guesser.has_failed(6)
        return guesser.tries("not the password")

    with judge.case(hashed=len(people), events={"sign_in_failed"}):
        assert refused(judge.alike(ask, *people.values())) == HELD


def test_n11_waits_that_grow_and_are_told(judge: Judge) -> None:
    guesser = Guesser(judge.app, judge.joined("ada@example.com").email)
    with judge.case(events={"sign_in_failed"}):
        guesser.has_failed(4)
        assert guesser.tries().status_code == 401
        told = [guesser.tries() for _ in range(4)]
        assert all(held_for(answer, 30) for answer in told), [answer.text for answer in told]
        waits = [answer.get_json()["retry_after"] for answer in told]
        assert waits == sorted(waits, reverse=True)


def test_n13_cheap_requests_that_cost_a_hash(judge: Judge) -> None:
    """Forty at once: some are compared, the rest are sent away at once, and others are served meanwhile."""

    def guess(number: int) -> TestResponse:
        return Person(judge.app.test_client(), f"p{number}@example.com").sign_in("x", elsewhere())

    waits = []

    def look() -> TestResponse:
        time.sleep(0.2)
        began = time.thread_time()
        answer = judge.app.test_client().get("/health/live")
        waits.append(time.thread_time() - began)
        return answer

    with judge.case(events={"sign_in_failed"}, busy=True):
        answers = together([*[lambda n=n: guess(n) for n in range(40)], look, look])
        codes = {refused(answer) for answer in answers[:-2]}
    assert codes <= {(401, "wrong_credentials"), (503, "overloaded"), (503, "unavailable")}
    assert [answer.status_code for answer in answers[-2:]] == [200, 200]
    assert max(waits) < 0.1
    assert all(json.loads(answer.text)["retry_after"] >= 1 for answer in answers[:-2] if answer.status_code == 503)
