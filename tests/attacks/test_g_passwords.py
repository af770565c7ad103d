"""G: resets for others, with others' codes, in other orders; and passwords that may not be set."""

from collections.abc import Callable

import pytest
from tests.attacks.crowds import crowd
from tests.attacks.judging import Judge
from tests.inside import refused
from tests.passwords.asking import NEW, asked_for, change, forgot, reset
from tests.people import PASSWORD, network
from tests.registration.asking import NOT_IT, attempt, elsewhere
from werkzeug.test import TestResponse

WRONG, INVALID, WEAK = (401, "wrong_code"), (422, "invalid_input"), (422, "weak_password")
ADA, EVE = "ada@example.com", "eve@example.com"


def test_g01_asking_for_people_in_every_state(judge: Judge) -> None:
    people = crowd(judge)

    def ask(email: str, at: str) -> TestResponse:
        return forgot(judge.client, email, at)

    # Whoever has an account that may be opened by a reset gets a mail, and nobody else.
    with judge.case({"one_time_codes", "outbox"}, mails=3, hashed=0, events={"reset_requested"}):
        assert judge.alike(ask, *people.values()).status_code == 200
    asked = {mail["to"] for mail in judge.mailbox.all() if "new password" in mail["subject"]}
    assert asked == {people[state] for state in ("account", "unproven", "locked out")}


def test_g03_more_than_one_address_or_one_that_looks_alike(judge: Judge) -> None:
    judge.joined(ADA)
    with judge.case(hashed=0):
        for email in ([ADA, EVE], f"{ADA},{EVE}", f"{ADA}\nCc: {EVE}", {"email": ADA}, f"{ADA}%00"):
            body = {"email": email}
            answer = judge.client.post("/auth/forgot-password", json=body, headers=network(elsewhere()))
            assert refused(answer) == INVALID, email
        doubled = '{"email": "ada@example.com", "email": "eve@example.com"}'
        answer = judge.client.post("/auth/forgot-password", data=doubled, content_type="application/json")
        assert refused(answer) == (400, "bad_request")
    with judge.case({"one_time_codes", "outbox"}, mails=1, hashed=0, events={"reset_requested"}):
        for email in ("ADA@EXAMPLE.COM", "\u0430da@example.com", "ad\u00e0@example.com"):
            assert forgot(judge.client, email, elsewhere()).status_code == 200
    assert [mail["to"] for mail in judge.mailbox.all() if "new password" in mail["subject"]] == [ADA]


Door = Callable[[str], dict[str, str]]


@pytest.mark.parametrize("door", ["by id", "by email"])
def test_g07_a_code_of_ones_own_for_somebody_else(judge: Judge, door: str) -> None:
    for email in (ADA, EVE):
        judge.joined(email)
    ada, eve = asked_for(judge.people, ADA, elsewhere()), asked_for(judge.people, EVE, elsewhere())
    with judge.case(hashed=0, events={"wrong_code"}):
        assert refused(reset(judge.client, eve.code, elsewhere(), **ada.door(door))) == WRONG
    with judge.case(hashed=0):
        answer = reset(judge.client, eve.code, elsewhere(), reset_id=eve.id, email=ADA)
        assert refused(answer) == INVALID


def test_g07_a_code_of_another_purpose(judge: Judge) -> None:
    judge.joined(ADA)
    joining = attempt(judge.people, EVE, elsewhere())
    with judge.case(hashed=0, events={"wrong_code"}):
        for door in ({"email": EVE}, {"reset_id": joining.id}):
            assert refused(reset(judge.client, joining.code, elsewhere(), **door)) == WRONG


def test_g09_steps_left_out(judge: Judge) -> None:
    judge.joined(ADA)
    asked = asked_for(judge.people, ADA, elsewhere())
    with judge.case(hashed=0):
        for body in (
            {},
            {"password": NEW},
            {"password": NEW, "email": ADA},
            {"password": NEW, "reset_id": asked.id},
            {"otp": None, "password": NEW, "reset_id": asked.id},
            {"otp": "", "password": NEW, "email": ADA},
            {"otp": asked.code, "reset_id": asked.id},
            {"otp": asked.code, "password": NEW},
            {"otp": asked.code, "password": NEW, "reset_id": ""},
        ):
            answer = judge.client.post("/auth/reset-password", json=body, headers=network(elsewhere()))
            assert refused(answer) == INVALID, body
    with judge.case(hashed=0, events={"wrong_code"}):
        for door in ("A" * 22, "A" * 21 + "B", "_" * 22):
            assert refused(reset(judge.client, NOT_IT, elsewhere(), reset_id=door)) == WRONG


def test_g11_passwords_that_may_not_be_set(judge: Judge) -> None:
    person = judge.joined(ADA)
    token = person.signed_in(elsewhere())["token"]
    asked = asked_for(judge.people, ADA, elsewhere())
    for password, refusal in {
        "x": WEAK,
        "password1": WEAK,
        "ada@example.com": WEAK,
        "x" * 257: INVALID,
        "a\x00b" * 5: INVALID,
    }.items():
        with judge.case(hashed=0 if refusal == INVALID else 1):
            assert refused(reset(judge.client, asked.code, elsewhere(), password, reset_id=asked.id)) == refusal, (
                password
            )
            assert refused(change(judge.client, token, PASSWORD, password, elsewhere())) == refusal, password
    with judge.case(hashed=1):
        assert refused(change(judge.client, token, PASSWORD, PASSWORD, elsewhere())) == WEAK
