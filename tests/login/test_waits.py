"""Past a few wrong passwords whoever guesses waits, and nobody learns whether there is anything to guess."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.inside import events, hashes, held_for, recorded, refused, shape
from tests.login.guessing import HELD, SAME_ID, WRONG_ONE, Guesser, strange_network
from tests.people import HERE, PASSWORD, THERE, People, network

from flaskauth.foundation import clock, limits
from flaskauth.login import budgets

WAITS = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]  # seconds
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def flood(app: Flask) -> None:
    """As many failed sign-ins everywhere as are usual."""
    with app.test_request_context():
        for _ in range(1000):
            limits.within(budgets.FLOOD, "failed sign-ins")


def test_after_five_wrong_ones_a_network_waits_half_a_minute_and_then_ever_longer(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    assert guesser.fails(4) == [401] * 4

    for wait in WAITS:
        assert refused(guesser.tries()) == WRONG_ONE
        assert held_for(guesser.tries(PASSWORD), wait)
        clock.travel(timedelta(seconds=wait))

    assert guesser.tries(PASSWORD).status_code == 200


def test_a_wait_is_not_a_second_shorter(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    guesser.has_failed(5)

    clock.travel(timedelta(seconds=20))
    assert held_for(guesser.tries(PASSWORD), 10)
    clock.travel(timedelta(seconds=10))
    assert guesser.tries(PASSWORD).status_code == 200


def test_after_ten_wrong_ones_in_a_quarter_of_an_hour_every_network_waits(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    for at in (strange_network(), strange_network()):
        assert guesser.fails(5, at=at) == [401] * 5

    for wait in WAITS[:3]:
        assert held_for(guesser.tries(PASSWORD, at=strange_network()), wait)
        clock.travel(timedelta(seconds=wait))
        assert refused(guesser.tries(at=strange_network())) == WRONG_ONE


def test_a_quarter_of_an_hour_later_an_address_has_all_its_tries_again(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    for _ in range(3):
        guesser.has_failed(3, at=strange_network())
    clock.travel(timedelta(minutes=15))
    for _ in range(3):
        guesser.has_failed(3, at=strange_network())

    assert refused(guesser.tries(at=strange_network())) == WRONG_ONE
    assert refused(guesser.tries(PASSWORD, at=strange_network())) == HELD


def test_who_waits_learns_nothing(app: Flask, people: People) -> None:
    """Known, pending and unknown: the same bytes, headers and hashes, step by step. In a wait ten cost a hash."""
    people.joined()
    people.pending("pending@example.com", at=THERE)

    grace, pending, nobody = (story(app, name) for name in ("grace", "pending", "nobody"))
    assert grace == pending == nobody
    assert [spent for _, spent in nobody] == [*range(1, 16), 15, 15]


def story(app: Flask, name: str) -> list[tuple[object, int]]:
    guesser, before = Guesser(app, f"{name}@example.com"), hashes(app)
    return [(shape(guesser.tries()), hashes(app) - before) for _ in range(17)]


def test_an_address_that_waits_tells_nobody_whether_it_is_known(app: Flask, people: People) -> None:
    people.joined()
    answers, before = [], hashes(app)
    for email in ("grace@example.com", "nobody@example.com"):
        guesser = Guesser(app, email)
        guesser.makes_the_address_wait()
        answers += [shape(guesser.tries()), shape(guesser.tries(PASSWORD))]

    assert len({str(answer) for answer in answers}) == 1
    assert (answers[0][0], hashes(app) - before) == (429, 4)


def test_each_network_has_its_own_ten_in_a_wait(app: Flask) -> None:
    guesser = Guesser(app)
    guesser.makes_the_address_wait()
    for at in ("192.0.2.1", "192.0.2.2"):
        before = hashes(app)
        guesser.has_failed(8, at=at)
        assert guesser.fails(4, at=at) == [429] * 4
        assert hashes(app) - before == 2


def test_the_right_password_gives_back_what_was_spent_and_ends_the_row(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    for _ in range(3):
        guesser.has_failed(3)
        assert guesser.tries(PASSWORD).status_code == 200

    stranger = strange_network()
    assert refused(guesser.tries(at=stranger)) == WRONG_ONE  # the tenth for the address: nine were wrong, three right
    assert refused(guesser.tries(at=stranger)) == HELD


def test_right_passwords_are_never_too_many(app: Flask, people: People) -> None:
    person = people.joined()

    assert [person.sign_in(at=strange_network()).status_code for _ in range(12)] == [200] * 12


def test_signing_in_to_ones_own_account_gives_no_more_tries_at_another(app: Flask, people: People) -> None:
    people.joined()
    mallory = people.joined("mallory@example.com", at=THERE)
    guesser = Guesser(app)
    guesser.has_failed(5, at=THERE)
    assert mallory.sign_in(at=THERE).status_code == 200

    assert refused(guesser.tries(at=THERE)) == HELD
    assert refused(guesser.tries(PASSWORD, at=THERE)) == HELD


def test_one_password_tried_on_everybody_makes_nobody_wait(app: Flask, people: People) -> None:
    people.joined()
    for number in range(6):
        assert Guesser(app, f"person{number}@example.com").fails(1, at=THERE) == [401]

    assert Guesser(app).tries(PASSWORD, at=THERE).status_code == 200


def test_a_restart_gives_no_tries_back(app: Flask, people: People, make_app: MakeApp) -> None:
    people.joined()
    guesser = Guesser(app)
    assert guesser.fails(5) == [401] * 5

    assert refused(Guesser(make_app(), at=guesser.at).tries(PASSWORD)) == HELD


def test_writing_the_address_otherwise_gives_no_more_tries(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    for email in (
        "grace@example.com",
        "Grace@example.com",
        "GRACE@EXAMPLE.COM",
        "grace@Example.com",
        "graCe@example.com",
    ):
        assert Guesser(app, email, guesser.at).fails(1) == [401]

    assert refused(guesser.tries(PASSWORD)) == HELD


def test_an_ipv6_network_is_counted_as_one(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    assert [guesser.tries(at=f"2001:db8:0:1::{host}").status_code for host in range(5)] == [401] * 5

    assert refused(guesser.tries(at="2001:db8:0:1:ffff::1")) == HELD
    assert refused(guesser.tries(at="2001:db8:0:2::1")) == WRONG_ONE


def test_a_hop_that_the_client_made_up_is_not_believed(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    assert [guesser.tries(at=f"192.0.2.{hop}, {THERE}").status_code for hop in range(5)] == [401] * 5

    assert refused(guesser.tries(at=f"192.0.2.9, {THERE}")) == HELD


def test_a_flood_halves_what_strangers_have_and_raises_an_alarm(app: Flask, people: People) -> None:
    people.joined().signed_in(at=HERE)
    flood(app)

    assert Guesser(app).fails(3) == [401, 401, 429]
    assert Guesser(app).fails(4, at=HERE) == [401] * 4
    assert recorded(app, "sign_in_flood").ip


def test_without_a_flood_there_is_no_alarm(app: Flask) -> None:
    Guesser(app).fails(6)

    assert not events(app, "sign_in_flood")


def test_a_flood_keeps_nobody_out(app: Flask, people: People) -> None:
    person = people.joined()
    flood(app)

    assert person.sign_in(at=strange_network()).status_code == 200


@ON_SQLITE
@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": 7}, {"password": "x" * 257}])
def test_what_cannot_be_a_password_costs_no_try(app: Flask, body: dict[str, object]) -> None:
    for _ in range(7):
        sent = {"email": "grace@example.com", **body}
        answer = app.test_client().post("/auth/login", json=sent, headers={**network(THERE), **SAME_ID})
        assert refused(answer) == (422, "invalid_input")

    assert hashes(app) == 0
    assert Guesser(app).fails(1, at=THERE) == [401]


def test_a_long_rest_forgets_the_waits(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    guesser.has_failed(6)
    clock.travel(timedelta(hours=26))

    assert guesser.fails(5) == [401] * 5
    assert held_for(guesser.tries(), 30)
