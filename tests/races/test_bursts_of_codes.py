"""Over two server processes: no more guesses are compared than may be, and what is good once is good once."""

from sqlalchemy import func, select
from tests.passwords.asking import NEW
from tests.people import PASSWORD, form
from tests.races.bursts import BUSY, fresh_network, post, statuses
from tests.races.conftest import Rounds
from tests.races.course import NUMBERS, Course
from tests.races.test_bursts_of_sessions import disowns
from tests.registration.asking import NOT_IT

from flaskauth.accounts.models import User
from flaskauth.accounts.service import address_change_ids
from flaskauth.foundation import crypto
from flaskauth.mail.models import QUEUED, SENT, OutboxMail
from flaskauth.registration.models import Registration

MAILS_A_DAY = 20


def newcomer() -> str:
    return f"newcomer-{next(NUMBERS)}@example.com"


def registered(course: Course, email: str) -> str:
    """The verification id of somebody who asked to join."""
    found: str = course.surely(post("/auth/register", form(email)))["verification_id"]
    return found


def people(course: Course, email: str) -> int:
    return int(course.rows(select(func.count()).select_from(User).where(User.address == email))[0])


def test_fifty_who_join_with_one_address_are_mailed_within_the_budget_and_become_one(
    course: Course, rounds: Rounds
) -> None:
    for _ in rounds(1):
        email = newcomer()
        passwords = [PASSWORD, *(f"{NEW} {number}" for number in range(9))]
        answers = course.burst([post("/auth/register", form(email, password=passwords[n % 10])) for n in range(50)])
        ids = {answer.body["verification_id"] for answer in answers if answer.status == 200}

        assert set(statuses(answers)) <= {200, BUSY}
        mailed = select(func.count()).select_from(OutboxMail).where(OutboxMail.recipient == email)
        assert course.rows(mailed.where(OutboxMail.state.in_((QUEUED, SENT))))[0] <= min(len(passwords), MAILS_A_DAY)
        assert len(course.rows(select(Registration.id).where(Registration.address == email))) == len(ids)
        proofs = [post("/auth/verify", {"otp": course.code(one), "verification_id": one}) for one in ids]
        assert statuses(course.burst(proofs * 3))[200] == 1
        assert people(course, email) == 1


def test_of_fifty_wrong_codes_five_are_compared(course: Course, rounds: Rounds) -> None:
    for _ in rounds(10):
        one = registered(course, newcomer())
        told = statuses(course.burst([post("/auth/verify", {"otp": NOT_IT, "verification_id": one})] * 50))

        assert set(told) <= {401, 429, BUSY}
        assert told[401] <= 5
        right = post("/auth/verify", {"otp": course.code(one), "verification_id": one})
        assert course.ask(right).status == 429


def test_a_code_lets_one_in_by_whichever_door(course: Course, rounds: Rounds) -> None:
    for _ in rounds(10):
        email = newcomer()
        one = registered(course, email)
        body = {"otp": course.code(one)}
        doors = [{"verification_id": one}, {"email": email}, {}]
        told = statuses(course.burst([post("/auth/verify", body | door) for door in doors * 4]))

        assert told[200] == 1
        assert set(told) <= {200, 401, 429, BUSY}
        assert people(course, email) == 1


def test_of_a_hundred_wrong_passwords_ten_are_compared(course: Course, rounds: Rounds) -> None:
    """From 20 networks; the machine may be too busy to compare even those at once."""
    for _ in rounds(1):
        racer = course.racer()
        body = {"email": racer.email, "password": "not the password"}
        asks = [post("/auth/login", body, at=at) for at in [fresh_network() for _ in range(20)] * 5]
        told = statuses(course.burst(asks))

        assert set(told) <= {401, 429, BUSY}
        assert told[401] <= 10
        rest = [course.ask(post("/auth/login", body, at=fresh_network())) for _ in range(10 - told[401])]
        assert set(statuses(rest)) <= {401, 429}
        assert course.ask(racer.signs_in()).status == 429


def test_a_reset_sets_one_password_of_many(course: Course, rounds: Rounds) -> None:
    for _ in rounds(4):
        racer = course.racer()
        asked = [course.surely(post("/auth/forgot-password", {"email": racer.email})) for _ in range(2)]
        ids = [answer["reset_id"] for answer in asked]
        passwords = [f"{NEW} {number}" for number in range(4)]
        bodies = [
            {"otp": course.code(one), "reset_id": one, "password": password}
            for one, password in zip(ids * 2, passwords, strict=True)
        ]
        answers = course.burst([post("/auth/reset-password", body) for body in bodies])

        assert statuses(answers)[200] == 1
        assert set(statuses(answers)) <= {200, 401, BUSY}
        [won] = [password for password, answer in zip(passwords, answers, strict=True) if answer.status == 200]
        assert course.ask(racer.signs_in(won)).status == 200


def test_a_link_is_followed_once(course: Course, rounds: Rounds) -> None:
    for _ in rounds(20):
        racer = course.racer()
        asks, _ = disowns(course, racer)
        told = statuses(course.burst(asks * 8))

        assert told[200] == 1
        assert set(told) <= {200, 401, BUSY}


def test_an_address_is_got_by_one_of_those_who_move_there_or_join_with_it(course: Course, rounds: Rounds) -> None:
    for _ in rounds(8):
        email, movers = newcomer(), [course.racer(), course.racer()]
        for racer in movers:
            course.surely(racer.posts("/users/email", {"email": email}))
        one = registered(course, email)
        codes = [course.code(crypto.encode(course.rows(address_change_ids(racer.user_id))[0])) for racer in movers]
        proofs = [racer.posts("/users/email/verify", {"otp": code}) for racer, code in zip(movers, codes, strict=True)]
        joins = post("/auth/verify", {"otp": course.code(one), "verification_id": one})
        answers = course.burst([*proofs, joins] * 2)

        assert statuses(answers)[200] == 1
        assert set(statuses(answers)) <= {200, 401, 429, BUSY}
        assert people(course, email) == 1


def test_of_two_changes_of_one_person_the_address_is_the_one_that_was_proven(course: Course, rounds: Rounds) -> None:
    """A code is bound to its address: another that is asked for at the same moment is not got with it."""
    for _ in rounds(10):
        racer, mine, victims = course.racer(), newcomer(), newcomer()
        course.surely(racer.posts("/users/email", {"email": mine}))
        code = course.code(crypto.encode(course.rows(address_change_ids(racer.user_id))[0]))
        proof = racer.posts("/users/email/verify", {"otp": code})
        answers = course.burst([proof, racer.posts("/users/email", {"email": victims}), proof])

        assert statuses(answers)[500] == 0
        [address] = course.rows(select(User.address).where(User.id == racer.user_id))
        assert address in {racer.email, mine}
        assert people(course, victims) == 0
