"""However many guesses come at once, and by whichever call, no more are compared than may be."""

from collections import Counter
from functools import partial

from flask import Flask
from tests.conftest import MakeApp
from tests.inside import hashes, refused, together
from tests.login.guessing import HELD, WRONG_ONE, Guesser, strange_network
from tests.people import HERE, PASSWORD, THERE, People, bearer, network

MOST = 10
SHED = {(503, "overloaded"), (503, "unavailable")}  # a busy machine may send some away before they are counted


def test_sixty_at_once_from_six_networks_are_ten_at_most(make_app: MakeApp) -> None:
    app = make_app(DATABASE_POOL_SIZE="64")
    People(app).joined()
    guesser, networks = Guesser(app), [strange_network() for _ in range(6)]
    told = Counter(refused(answer) for answer in together([partial(guesser.tries, at=at) for at in networks * 10]))

    assert set(told) <= {WRONG_ONE, HELD} | SHED
    assert told[WRONG_ONE] <= MOST
    assert told[HELD] >= 60 - MOST - sum(told[kind] for kind in SHED)
    rest = [refused(guesser.tries(at=strange_network())) for _ in range(MOST - told[WRONG_ONE])]
    assert set(rest) <= {WRONG_ONE, HELD}  # what is left of the ten is there for whoever was sent away uncounted
    assert refused(guesser.tries(PASSWORD, at=strange_network())) == HELD


def test_a_burst_in_which_the_last_ones_are_right_opens_nothing(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    guesser.makes_the_address_wait()

    answers = together([partial(guesser.tries, PASSWORD, at=strange_network()) for _ in range(12)])
    assert {refused(answer) for answer in answers} <= {HELD} | SHED


def test_two_processes_count_together(app: Flask, people: People, make_app: MakeApp) -> None:
    people.joined()
    at, other = strange_network(), make_app()
    before = hashes(app) + hashes(other)
    one, two = Guesser(app, at=at), Guesser(other, at=at)
    told = Counter(refused(answer) for answer in together([one.tries, two.tries] * 8))

    assert told[WRONG_ONE] <= 5
    assert hashes(app) + hashes(other) - before <= 5 + MOST
    assert refused(two.tries(PASSWORD)) == HELD


def test_an_owner_gets_in_while_a_burst_goes_on(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = Guesser(app)
    guesser.makes_the_address_wait()
    strangers = [partial(guesser.tries, at=strange_network()) for _ in range(8)]
    *_, owner = together([*strangers, partial(guesser.tries, PASSWORD, at=HERE, device_token=token)])

    assert owner.status_code == 200


def test_giving_the_password_again_shares_the_tries(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["token"]
    for _ in range(5):
        wrong = people.client.post(
            "/auth/reauthenticate", json={"password": "wrong"}, headers={**bearer(token), **network(THERE)}
        )
        assert refused(wrong) == WRONG_ONE

    assert refused(Guesser(app).tries(PASSWORD, at=THERE)) == HELD


def test_tries_at_sign_in_count_when_the_password_is_given_again(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["token"]
    Guesser(app).has_failed(5, at=THERE)
    headers = {**bearer(token), **network(THERE)}

    wrong = people.client.post("/auth/reauthenticate", json={"password": "wrong"}, headers=headers)
    right = people.client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert (refused(wrong), right.status_code) == (HELD, 200)


def test_a_stolen_token_gives_ten_tries_in_a_wait_and_not_one_more(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["token"]
    Guesser(app).makes_the_address_wait()
    for at in (THERE, strange_network()):
        headers = {**bearer(token), **network(at)}
        for _ in range(5):
            assert refused(people.client.post("/auth/reauthenticate", json={"password": "x"}, headers=headers)) == HELD

    answer = people.client.post("/auth/reauthenticate", json={"password": PASSWORD}, headers=headers)
    assert refused(answer) == HELD
