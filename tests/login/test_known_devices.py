"""Nobody can lock an owner out: a device or a network that is known has tries of its own."""

from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.inside import hashes, held_for, refused, rows, shape
from tests.login.guessing import HELD, WRONG, WRONG_ONE, Guesser, strange_network
from tests.people import ELSEWHERE, HERE, PASSWORD, THERE, People, bearer, network

from flaskauth.foundation import clock
from flaskauth.foundation.crypto import sha256
from flaskauth.sessions.models import Device


def besieged(app: Flask) -> Guesser:
    guesser = Guesser(app)
    guesser.makes_the_address_wait()
    return guesser


def test_a_known_device_gets_in_from_anywhere_while_strangers_wait(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = besieged(app)

    assert refused(guesser.tries(PASSWORD)) == HELD
    assert guesser.tries(PASSWORD, device_token=token).status_code == 200


def test_a_known_network_gets_in_without_a_device(app: Flask, people: People) -> None:
    people.joined().signed_in(at=HERE)
    guesser = besieged(app)

    assert refused(guesser.tries(PASSWORD, at=THERE)) == HELD
    assert guesser.tries(PASSWORD, at=HERE).status_code == 200


def test_where_somebody_only_registered_is_not_known(app: Flask, people: People) -> None:
    people.joined(at=HERE)

    assert refused(besieged(app).tries(PASSWORD, at=HERE)) == HELD


def test_a_network_is_known_for_thirty_days(app: Flask, people: People) -> None:
    people.joined().signed_in(at=HERE)
    clock.travel(timedelta(days=30, minutes=-1))
    assert besieged(app).tries(PASSWORD, at=HERE).status_code == 200

    clock.travel(timedelta(days=30, minutes=1))
    assert refused(besieged(app).tries(PASSWORD, at=HERE)) == HELD


def test_ten_are_compared_in_a_wait_and_the_eleventh_is_not(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = besieged(app)
    stranger = shape(guesser.tries(at=strange_network()))
    before = hashes(app)

    for _ in range(10):
        assert shape(guesser.tries(device_token=token)) == stranger
    assert refused(guesser.tries(PASSWORD, device_token=token)) == HELD
    assert hashes(app) - before == 10


def test_the_tenth_may_be_right(app: Flask, people: People) -> None:
    people.joined().signed_in(at=HERE)
    guesser = besieged(app)
    guesser.fails(9, at=HERE)

    assert guesser.tries(PASSWORD, at=HERE).status_code == 200


def test_a_device_has_ten_in_all_wherever_it_is(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = besieged(app)
    for _ in range(2):
        guesser.fails(5, at=strange_network(), device_token=token)

    assert refused(guesser.tries(PASSWORD, at=strange_network(), device_token=token)) == HELD


def test_a_new_wait_gives_ten_more(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = besieged(app)
    guesser.fails(11, device_token=token)
    clock.travel(timedelta(seconds=30))
    guesser.has_failed(1, at=strange_network())

    assert guesser.tries(PASSWORD, device_token=token).status_code == 200


def test_after_a_hundred_in_a_row_only_the_known_are_compared(app: Flask, people: People) -> None:
    token = people.joined().signed_in(at=HERE)["device_token"]
    guesser = Guesser(app)
    guesser.has_failed_in_a_row(99)
    assert refused(guesser.tries()) == WRONG_ONE

    assert held_for(guesser.tries(PASSWORD), 3600)
    clock.travel(timedelta(days=20))
    assert refused(guesser.tries(PASSWORD)) == HELD
    assert refused(guesser.tries(WRONG, at=HERE)) == HELD
    assert guesser.tries(PASSWORD, device_token=token).status_code == 200


def test_the_right_password_ends_the_row(app: Flask, people: People) -> None:
    people.joined()
    guesser = Guesser(app)
    guesser.has_failed_in_a_row(99)
    assert guesser.tries(PASSWORD).status_code == 200

    assert guesser.fails(2) == [401, 401]
    assert guesser.tries(PASSWORD, at=strange_network()).status_code == 200


def test_whether_it_is_known_is_not_told_to_who_is_wrong(app: Flask, people: People) -> None:
    people.joined().signed_in(at=HERE)
    for email in ("grace@example.com", "nobody@example.com"):
        Guesser(app, email).has_failed_in_a_row(100)

    answers = [shape(Guesser(app, f"{who}@example.com").tries(at=HERE)) for who in ("grace", "nobody")]
    assert answers[0] == answers[1]
    assert answers[0][0] == 429


def test_a_device_token_is_kept_when_it_is_brought_and_new_otherwise(app: Flask, people: People) -> None:
    person = people.joined()
    first = person.signed_in()["device_token"]

    assert person.sign_in(device_token=first, at=ELSEWHERE).get_json()["device_token"] == first
    assert person.signed_in()["device_token"] != first
    assert person.sign_in(device_token="made up").get_json()["device_token"] not in {first, "made up"}
    assert len(rows(app, select(Device))) == 3


def test_a_device_token_is_opaque_and_only_its_digest_is_kept(app: Flask, people: People) -> None:
    token = people.joined().signed_in()["device_token"]
    [device] = rows(app, select(Device))

    assert len(token) == 43
    assert device.token_digest == sha256(token.encode())


def test_a_device_is_known_for_180_days_from_its_last_use(app: Flask, people: People) -> None:
    person = people.joined()
    token = person.signed_in()["device_token"]
    clock.travel(timedelta(days=179))
    assert person.sign_in(device_token=token).get_json()["device_token"] == token
    clock.travel(timedelta(days=179))
    assert besieged(app).tries(PASSWORD, device_token=token).get_json()["device_token"] == token

    clock.travel(timedelta(days=180))
    assert refused(besieged(app).tries(PASSWORD, device_token=token)) == HELD


def test_a_token_of_somebody_else_makes_nobody_known(app: Flask, people: People) -> None:
    people.joined()
    token = people.joined("mallory@example.com").signed_in()["device_token"]

    assert refused(besieged(app).tries(PASSWORD, device_token=token)) == HELD


def test_signing_out_everywhere_makes_other_devices_unknown(app: Flask, people: People) -> None:
    person = people.joined()
    lost = person.signed_in(at=THERE)["device_token"]
    mine = person.signed_in(at=ELSEWHERE)
    ended = people.client.delete("/auth/sessions", headers={**bearer(mine["token"]), **network(ELSEWHERE)})
    assert ended.status_code == 200

    guesser = besieged(app)
    assert refused(guesser.tries(PASSWORD, device_token=lost)) == HELD
    assert guesser.tries(PASSWORD, device_token=mine["device_token"]).status_code == 200


def test_a_known_device_is_known_to_every_process(app: Flask, people: People, make_app: MakeApp) -> None:
    token = people.joined().signed_in()["device_token"]
    besieged(app)

    assert Guesser(make_app()).tries(PASSWORD, device_token=token).status_code == 200
