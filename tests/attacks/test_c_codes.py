"""C: codes that are guessed, replayed, brought elsewhere or asked for again and again."""

import pytest
from tests.attacks.crowds import crowd
from tests.attacks.judging import Judge
from tests.inside import refused, together
from tests.people import HERE, network
from tests.registration.asking import DOORS, NOT_IT, attempt, elsewhere, verify
from werkzeug.test import TestResponse

from flaskauth.codes import derive
from flaskauth.codes.models import OneTimeCode

WRONG, SPENT, INVALID = (401, "wrong_code"), (429, "too_many_requests"), (422, "invalid_input")
ADA, EVE = "ada@example.com", "eve@example.com"
JOINED = {"users", "registrations", "one_time_codes"}


def test_c01_a_code_at_somebody_elses_door(judge: Judge) -> None:
    ada, eve = attempt(judge.people, ADA, elsewhere()), attempt(judge.people, EVE, elsewhere())
    with judge.case(hashed=0, events={"wrong_code"}):
        for door in ({"email": ADA}, {"verification_id": ada.id}):
            assert refused(verify(judge.client, eve.code, elsewhere(), **door)) == WRONG


@pytest.mark.parametrize("door", ["by id", "by email"])
def test_c03_the_right_code_after_too_many_wrong_ones(judge: Judge, door: str) -> None:
    ada, at = attempt(judge.people, ADA, elsewhere()), elsewhere()
    with judge.case(hashed=0, events={"wrong_code"}):
        codes = [NOT_IT] * 5 + [ada.code, NOT_IT, ada.code]
        answers = [refused(verify(judge.client, code, at, **ada.door(door))) for code in codes]
        assert answers == [WRONG] * 5 + [SPENT] * 3


def test_c05_a_burst_with_the_right_one_at_its_end(judge: Judge) -> None:
    ada = attempt(judge.people, ADA, elsewhere())
    codes = [NOT_IT] * 12 + [ada.code]
    with judge.case(hashed=0, events={"wrong_code"}):
        for code in codes[:5]:
            verify(judge.client, code, elsewhere(), verification_id=ada.id)
        burst = [lambda code=code: verify(judge.client, code, elsewhere(), verification_id=ada.id) for code in codes]
        assert {refused(answer) for answer in together(burst)} == {SPENT}


@pytest.mark.parametrize("door", DOORS)
def test_c07_a_code_that_was_used(judge: Judge, door: str) -> None:
    ada = attempt(judge.people, ADA, elsewhere())
    with judge.case(JOINED, hashed=0, events={"account_created"}):
        assert verify(judge.client, ada.code, elsewhere(), **ada.door(door)).status_code == 200
    with judge.case(hashed=0, events={"wrong_code"}):
        assert refused(verify(judge.client, ada.code, elsewhere(), **ada.door(door))) == WRONG


def test_c11_codes_in_other_letters(judge: Judge) -> None:
    ada = attempt(judge.people, ADA, elsewhere())
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in ada.code.replace("-", ""))
    lookalikes = (
        wide,
        ada.code + "\u200b",
        f"\u202e{ada.code}",
        ada.code[:-1],
        ada.code + "2",
        "\u0662" * 8,
        "%" * 8,
        "_" * 8,
    )
    with judge.case(hashed=0, events={"wrong_code"}):
        for code in lookalikes:
            assert refused(verify(judge.client, code, elsewhere(), email=ADA)) in (WRONG, SPENT), ascii(code)
    with judge.case(hashed=0):
        for otp in (12345678, 1234.5678, [ada.code], {"code": ada.code}, None, True, "", "x" * 65, ada.code + "\x00"):
            answer = judge.client.post("/auth/verify", json={"otp": otp, "email": ADA}, headers=network(elsewhere()))
            assert refused(answer) == INVALID, otp
    with judge.case(JOINED, hashed=0, events={"account_created"}):
        spelled = f" {ada.code.lower().replace('-', '- ')} "
        assert verify(judge.client, spelled, elsewhere(), verification_id=ada.id).status_code == 200


def test_c13_an_account_that_is_proven_already(judge: Judge) -> None:
    judge.joined(ADA)

    def ask(email: str, at: str) -> TestResponse:
        return verify(judge.client, NOT_IT, at, email=email)

    with judge.case(hashed=0, events={"wrong_code"}):
        assert refused(judge.alike(ask, ADA, "nobody@example.com")) == WRONG


@pytest.mark.parametrize("path", ["/auth/verify", "/auth/reset-password"])
def test_c15_what_a_wrong_code_costs(judge: Judge, path: str) -> None:
    people = crowd(judge)
    more = {"password": "nine purple umbrellas"} if "reset" in path else {}

    def ask(email: str, at: str) -> TestResponse:
        return judge.client.post(path, json={"email": email, "otp": NOT_IT, **more}, headers=network(at))

    with judge.case(hashed=0, events={"wrong_code"}):
        assert refused(judge.alike(ask, *people.values())) == WRONG


def test_c17_a_flood_of_requests_for_mail(judge: Judge) -> None:
    ada = attempt(judge.people, ADA, HERE)
    with judge.case({"outbox"}, hashed=0):
        for door in ({"email": ADA}, {"verification_id": ada.id}, {"email": "nobody@example.com"}):
            for _ in range(6):
                answer = judge.client.post("/auth/resend", json=door, headers=network(elsewhere()))
                assert (answer.status_code, set(answer.get_json())) == (
                    200,
                    {"status", "success", "message", "retry_after"},
                )


def test_c19_codes_that_can_be_foreseen(judge: Judge) -> None:
    rows = [OneTimeCode(id=n.to_bytes(16), purpose="register", nonce=n.to_bytes(32)) for n in range(20_000)]
    with judge.app.app_context():
        codes = [derive.candidates(row)[0] for row in rows]
    assert len(set(codes)) == len(codes)
    for place in range(derive.LENGTH):
        found = [sum(code[place] == letter for code in codes) for letter in derive.ALPHABET]
        expected = len(codes) / len(derive.ALPHABET)
        # 26 degrees of freedom; one honest run in ten million is past 80, and these nonces are always the same.
        assert sum((count - expected) ** 2 / expected for count in found) < 80
