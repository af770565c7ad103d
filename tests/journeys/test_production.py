"""The documented production commands, on MariaDB, Redis, Celery and SMTP with STARTTLS: the road, and the stampedes."""

import base64
import os
import signal
from collections import Counter
from functools import partial

import pytest
from redis import Redis
from sqlalchemy import text
from tests.inside import together
from tests.journeys import leaks
from tests.journeys.conftest import Meet
from tests.journeys.installation import Installation
from tests.journeys.travellers import Traveller

WRONG = [f"BCDF-{letter}{other}22" for letter in "BCDFGH" for other in "JKMNP"]


def test_the_whole_journey_leaves_no_secret_behind(installation: Installation, meet: Meet) -> None:
    person = meet()
    person.register()
    person.read_code()
    assert not leaks.leaked(person.secrets | installation.own_secrets(), installation.everything())

    person.verify()
    person.sign_in()
    person.edit()
    person.refresh()
    person.end_others()
    dump = installation.everything()
    assert not leaks.leaked(person.secrets | installation.own_secrets(), dump)
    assert not leaks.addresses({where: found for where, found in dump.items() if where.startswith("file")})

    person.sign_out()


def test_who_forgot_the_password_sets_another_and_is_told(installation: Installation, meet: Meet) -> None:
    person = meet()
    person.join()
    person.sign_in()
    person.forget()
    code = installation.code_for(person.email, "A new password")
    person.secrets.add(code)
    assert not leaks.leaked(person.secrets | installation.own_secrets(), installation.everything())

    person.reset(code)
    installation.mail_to(person.email, subject="was changed")
    person.change_password_back()
    assert not leaks.leaked(person.secrets | installation.own_secrets(), installation.everything())


def test_an_address_is_changed_and_taken_back(installation: Installation, meet: Meet) -> None:
    person = meet()
    person.join()
    person.sign_in()
    old, new = person.email, f"new-{person.email}"
    person.ask_for_address(new)
    code, (path, token) = installation.code_for(new), installation.link_for(old, "is to get another address")
    person.secrets |= {code, token}
    assert not leaks.leaked(person.secrets | installation.own_secrets(), installation.everything())

    person.prove_address(code, new)
    assert installation.link_for(old, "has another address") == (path, token)
    person.email = new
    person.take_back(path, token)
    person.email = old
    person.forget()
    person.reset(installation.code_for(old, "A new password"))
    installation.mail_to(old, subject="was secured")
    assert not leaks.leaked(person.secrets | installation.own_secrets(), installation.everything())


def test_a_sign_in_from_elsewhere_is_told_and_disowned(installation: Installation, meet: Meet) -> None:
    person, thief = meet(), meet()
    person.join()
    person.sign_in()
    thief.email = person.email
    thief.sign_in()
    path, token = installation.link_for(person.email, "A new sign-in")
    thief.take_back(path, token)
    person.visitor.get("/users/profile", person.token).expect(401)
    assert not leaks.leaked({token} | installation.own_secrets(), installation.everything())


def test_an_account_is_closed_and_taken_back(installation: Installation, meet: Meet) -> None:
    person = meet()
    person.join()
    person.sign_in()
    person.close_and_restore()
    installation.mail_to(person.email, subject="is being closed")
    installation.mail_to(person.email, subject="stays")


def test_a_secret_left_anywhere_in_any_dress_would_be_found(installation: Installation, meet: Meet) -> None:
    person = meet()
    person.join()
    person.sign_in()
    code, mac = person.read_code(), person.refresh_token.rpartition(".")[2]
    log = installation.place.folder / "scratch.log"
    log.write_text(f"From: grace@example.com\n{installation.secret}\n")
    with Redis.from_url(installation.redis.url) as redis, installation.engine.connect() as connection:
        redis.rpush("scratch", b'{"body": "%s"}' % base64.b64encode(f'[["{person.device_token}"]]'.encode()))
        connection.execute(text("CREATE TABLE scratch (code VARCHAR(99), mac VARBINARY(99))"))
        row = {"code": code.replace("-", "").encode().hex(), "mac": base64.urlsafe_b64decode(mac + "=")}
        connection.execute(text("INSERT INTO scratch VALUES (:code, :mac)"), row)
        connection.commit()
        dump = installation.everything()
        connection.execute(text("DROP TABLE scratch"))
        redis.delete("scratch")
    log.unlink()

    assert leaks.leaked(person.secrets | installation.own_secrets(), dump) == {
        f"{code!r} in table scratch",
        f"{person.refresh_token!r} in table scratch",
        f"{person.device_token!r} in key b'scratch'",
        f"{installation.secret!r} in file scratch.log",
    }
    assert leaks.addresses({"log": dump["file scratch.log"]}) == {b"grace@example.com"}


def test_connections_reach_both_server_processes(installation: Installation, meet: Meet) -> None:
    before = installation.server.sockets()

    _at_the_door([meet() for _ in range(24)])

    after = installation.server.sockets()
    assert [after[pid] > before[pid] for pid in before] == [True, True]


def test_a_server_process_that_is_killed_is_replaced(installation: Installation, meet: Meet) -> None:
    before = installation.server.children()
    os.kill(before[0], signal.SIGKILL)

    installation.server.wait_until(lambda: len({*installation.server.children()} - {*before}) == 1)
    people = [meet() for _ in range(8)]
    together([person.join for person in people])


@pytest.mark.parametrize("door", ["verification_id", "email", "alone"])
def test_a_code_used_by_many_at_once_is_good_once(meet: Meet, door: str) -> None:
    person = meet()
    person.register()
    named = {"verification_id": person.verification_id, "email": person.email}
    body = {"otp": person.read_code(), **{name: named[name] for name in named if name == door}}

    crowd = _at_the_door([meet() for _ in range(24)])
    answers = together([partial(other.visitor.post, "/auth/verify", body) for other in crowd])

    told = Counter(answer.status for answer in answers)
    assert told[200] == 1
    assert set(told) <= {200, 401, 429}
    person.sign_in()


def test_a_refresh_token_used_by_many_at_once_has_one_successor(meet: Meet) -> None:
    person = meet()
    person.join()
    person.sign_in()
    body = {"refresh_token": person.refresh_token}

    crowd = _at_the_door([meet() for _ in range(24)])
    answers = together([partial(other.visitor.post, "/auth/refresh", body) for other in crowd])

    successors = {answer.expect()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    person.refresh_token = successors.pop()
    person.refresh()


def test_a_burst_of_guesses_closes_the_door_that_it_came_to_and_no_other(meet: Meet) -> None:
    person, stranger = meet(), meet()
    person.register()
    code = person.read_code()
    guesses = [{"otp": guess, "verification_id": person.verification_id} for guess in WRONG if guess != code]

    crowd = _at_the_door([meet() for _ in guesses])
    answers = together(
        [partial(other.visitor.post, "/auth/verify", body) for other, body in zip(crowd, guesses, strict=True)]
    )

    assert Counter(answer.status for answer in answers) == {401: 5, 429: len(guesses) - 5}
    by_id = {"otp": code, "verification_id": person.verification_id}
    assert person.visitor.post("/auth/verify", by_id).expect(429)["code"] == "too_many_requests"
    assert stranger.visitor.post("/auth/verify", {"otp": code, "email": person.email}).expect()["success"] is True


def test_a_flood_of_wrong_passwords_is_stopped_and_the_owner_is_not(meet: Meet) -> None:
    owner = meet()
    owner.join()
    owner.sign_in()

    crowd = _at_the_door([meet() for _ in range(100)])
    for stranger in crowd:
        stranger.email = owner.email
    answers = together([partial(stranger.try_password, "not the password") for stranger in crowd])

    told = Counter(answer.status for answer in answers)
    assert set(told) <= {401, 429, 503}  # 503: more hashes at once than the processors can do in time
    # A slow machine sends so many away, uncounted, that some of the ten guesses are still to be had.
    later = [stranger.try_password("nor this").status for stranger in crowd[:11]]
    assert told[401] + later.count(401) <= 10
    assert set(later) <= {401, 429}
    assert later[-1] == 429
    owner.visitor = meet().visitor
    owner.sign_in()


def _at_the_door(crowd: list[Traveller]) -> list[Traveller]:
    """Have everybody's connection open, so that their requests come at one moment."""
    for one in crowd:
        one.visitor.get("/health/live").expect()
    return crowd
