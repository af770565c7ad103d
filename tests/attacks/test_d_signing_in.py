"""D: who signs in without the password, and what a sign-in tells of an address."""

from tests.attacks.crowds import crowd, mark
from tests.attacks.judging import Judge
from tests.inside import refused
from tests.login.guessing import Guesser
from tests.people import PASSWORD, Person, bearer, network
from tests.registration.asking import elsewhere
from werkzeug.test import TestResponse

WRONG, HELD, INVALID = (401, "wrong_credentials"), (429, "too_many_requests"), (422, "invalid_input")
ADA = "ada@example.com"
SIGNED_IN = {"sessions", "devices", "users", "links", "outbox"}


def test_d01_people_in_every_state(judge: Judge) -> None:
    people = crowd(judge)

    def ask(email: str, at: str) -> TestResponse:
        return Person(judge.client, email).sign_in("not the password", at)

    with judge.case(hashed=len(people), events={"sign_in_failed"}):
        assert refused(judge.alike(ask, *people.values())) == WRONG


def test_d01_people_in_every_state_who_wait(judge: Judge) -> None:
    people = crowd(judge)

    def ask(email: str, at: str) -> TestResponse:
        guesser = Guesser(judge.app, email, at)
        guesser.has_failed(5)
        return guesser.tries()

    with judge.case(hashed=len(people), events={"sign_in_failed"}):
        assert refused(judge.alike(ask, *people.values())) == HELD


def test_d05_the_right_password_of_whom_it_does_not_let_in(judge: Judge) -> None:
    people = crowd(judge)
    with judge.case(hashed=3, events={"sign_in_failed"}):
        for state in ("pending", "unproven", "disabled"):
            answer = Person(judge.client, people[state]).sign_in(PASSWORD, elsewhere())
            assert refused(answer) == WRONG
            assert "token" not in answer.get_json()


def test_d15_signs_that_databases_know(judge: Judge) -> None:
    judge.joined(ADA)
    with judge.case(hashed=4, events={"sign_in_failed"}):
        for email in ("%@example.com", "a_a@example.com", "ad%@example.com", "___@example.com"):
            assert refused(Person(judge.client, email).sign_in(at=elsewhere())) == WRONG
    with judge.case(hashed=0):
        for email in ("ada@example.co%", "' OR '1'='1", "ada@example.com' --", "*", "ada@example.com\\"):
            assert refused(Person(judge.client, email).sign_in(at=elsewhere())) == INVALID


def test_d17_passwords_without_end(judge: Judge) -> None:
    person = judge.joined(ADA)
    with judge.case(hashed=0):
        for password, code in {"x" * 257: 422, "é" * 513: 422, "x" * 60_000: 422, "x" * 2**20: 413}.items():
            assert person.sign_in(password, elsewhere()).status_code == code


def test_d17_passwords_that_are_none(judge: Judge) -> None:
    with judge.case(hashed=0):
        for password in (None, True, 0, 1.5, [], {}, [PASSWORD], {"$ne": ""}, ""):
            body = {"email": ADA, "password": password}
            answer = judge.client.post("/auth/login", json=body, headers=network(elsewhere()))
            assert refused(answer) == INVALID, password


def test_d19_a_session_that_somebody_prepared(judge: Judge) -> None:
    person = judge.joined(ADA)
    planted = person.signed_in(elsewhere())
    old = planted["refresh_token"].partition(".")[0]
    headers = {"Cookie": f"session={old}; sid={old}", "X-Session-Id": old, **bearer(planted["token"])}
    with judge.case(SIGNED_IN, hashed=1, mails=1, events={"sign_in"}):
        answer = judge.client.post(
            "/auth/login?sid=" + old,
            json={"email": ADA, "password": PASSWORD, "device_token": "planted" * 6},
            headers={**headers, **network(elsewhere())},
        )
        assert answer.get_json()["refresh_token"].partition(".")[0] != old
        assert answer.get_json()["device_token"] != "planted" * 6
    with judge.case(hashed=0):
        for name in ("sid", "session_id", "session", "id"):
            body = {"email": ADA, "password": PASSWORD, name: old}
            assert refused(judge.client.post("/auth/login", json=body, headers=network(elsewhere()))) == INVALID


def test_d25_hashes_that_nobody_can_read(judge: Judge) -> None:
    person = judge.joined(ADA)
    broken = (
        "",
        "x",
        PASSWORD,
        "plain$" + PASSWORD,
        "$argon2id$",
        "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA",
        "pbkdf2:x",
        "!",
        "\x00",
        None,
    )
    for stored in broken:
        mark(judge, ADA, password=stored)
        with judge.case(hashed=1, events={"sign_in_failed"}):
            assert refused(person.sign_in(PASSWORD, elsewhere())) == WRONG, stored
