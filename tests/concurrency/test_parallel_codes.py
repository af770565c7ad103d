"""Parallel requests to two server processes: attempts stay limited, and single-use codes and links work once."""

from sqlalchemy import func, select
from tests.concurrency.conftest import Rounds
from tests.concurrency.parallel_requests import OVERLOADED, new_client_ip, prepare_post, statuses
from tests.concurrency.servers import USER_NUMBERS, ServerPair
from tests.concurrency.test_parallel_sessions import prepare_sign_in_report
from tests.passwords.helpers import NEW_PASSWORD
from tests.registration.helpers import WRONG_CODE
from tests.support.users import PASSWORD, registration_form

from flaskauth.accounts.models import User
from flaskauth.accounts.service import email_change_ids
from flaskauth.core import crypto
from flaskauth.mail.models import QUEUED, SENT, OutboxMail
from flaskauth.registration.models import Registration

MAILS_A_DAY = 20


def new_email() -> str:
    return f"new-{next(USER_NUMBERS)}@example.com"


def register(server_pair: ServerPair, email: str) -> str:
    """Register and return the verification id."""
    verification_id: str = server_pair.send_until_served(prepare_post("/auth/register", registration_form(email)))[
        "verification_id"
    ]
    return verification_id


def count_users(server_pair: ServerPair, email: str) -> int:
    return int(server_pair.rows(select(func.count()).select_from(User).where(User.normalized_email == email))[0])


def test_fifty_registrations_of_one_email_create_one_account(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(1):
        email = new_email()
        passwords = [PASSWORD, *(f"{NEW_PASSWORD} {number}" for number in range(9))]
        responses = server_pair.send_parallel(
            [prepare_post("/auth/register", registration_form(email, password=passwords[n % 10])) for n in range(50)]
        )
        ids = {response.body["verification_id"] for response in responses if response.status == 200}

        assert set(statuses(responses)) <= {200, OVERLOADED}
        mails = select(func.count()).select_from(OutboxMail).where(OutboxMail.recipient == email)
        assert server_pair.rows(mails.where(OutboxMail.state.in_((QUEUED, SENT))))[0] <= min(len(ids), MAILS_A_DAY)
        assert len(server_pair.rows(select(Registration.id).where(Registration.normalized_email == email))) == len(ids)
        verifications = [
            prepare_post(
                "/auth/verify", {"otp": server_pair.current_code(verification_id), "verification_id": verification_id}
            )
            for verification_id in ids
        ]
        assert statuses(server_pair.send_parallel(verifications * 3))[200] == 1
        assert count_users(server_pair, email) == 1


def test_fifty_wrong_codes_are_limited_to_five_attempts(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(10):
        verification_id = register(server_pair, new_email())
        counts = statuses(
            server_pair.send_parallel(
                [prepare_post("/auth/verify", {"otp": WRONG_CODE, "verification_id": verification_id})] * 50
            )
        )

        assert set(counts) <= {401, 429, OVERLOADED}
        assert counts[401] <= 5
        right_code = prepare_post(
            "/auth/verify", {"otp": server_pair.current_code(verification_id), "verification_id": verification_id}
        )
        assert server_pair.send(right_code).status == 429


def test_code_use_by_any_verification_method_succeeds_once(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(10):
        email = new_email()
        verification_id = register(server_pair, email)
        body = {"otp": server_pair.current_code(verification_id)}
        identifiers = [{"verification_id": verification_id}, {"email": email}, {}]
        counts = statuses(
            server_pair.send_parallel(
                [prepare_post("/auth/verify", body | identifier) for identifier in identifiers * 4]
            )
        )

        assert counts[200] == 1
        assert set(counts) <= {200, 401, 429, OVERLOADED}
        assert count_users(server_pair, email) == 1


def test_hundred_wrong_passwords_are_limited_to_ten_attempts(server_pair: ServerPair, rounds: Rounds) -> None:
    """From 20 networks. The server may be too busy to compare even ten of them."""
    for _ in rounds(1):
        user = server_pair.create_user()
        body = {"email": user.email, "password": "not the password"}
        requests = [prepare_post("/auth/login", body, at=at) for at in [new_client_ip() for _ in range(20)] * 5]
        counts = statuses(server_pair.send_parallel(requests))

        assert set(counts) <= {401, 429, OVERLOADED}
        assert counts[401] <= 10
        remaining = [
            server_pair.send(prepare_post("/auth/login", body, at=new_client_ip())) for _ in range(10 - counts[401])
        ]
        assert set(statuses(remaining)) <= {401, 429}
        assert server_pair.send(user.prepare_login()).status == 429


def test_parallel_password_resets_set_one_password(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(4):
        user = server_pair.create_user()
        responses_ = [
            server_pair.send_until_served(prepare_post("/auth/forgot-password", {"email": user.email}))
            for _ in range(2)
        ]
        ids = [response["reset_id"] for response in responses_]
        passwords = [f"{NEW_PASSWORD} {number}" for number in range(4)]
        bodies = [
            {"otp": server_pair.current_code(verification_id), "reset_id": verification_id, "password": password}
            for verification_id, password in zip(ids * 2, passwords, strict=True)
        ]
        responses = server_pair.send_parallel([prepare_post("/auth/reset-password", body) for body in bodies])

        assert statuses(responses)[200] == 1
        assert set(statuses(responses)) <= {200, 401, OVERLOADED}
        [winning_password] = [
            password for password, response in zip(passwords, responses, strict=True) if response.status == 200
        ]
        assert server_pair.send(user.prepare_login(winning_password)).status == 200


def test_parallel_link_use_succeeds_once(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(20):
        user = server_pair.create_user()
        requests, _ = prepare_sign_in_report(server_pair, user)
        counts = statuses(server_pair.send_parallel(requests * 8))

        assert counts[200] == 1
        assert set(counts) <= {200, 401, OVERLOADED}


def test_registrations_and_changes_to_one_email_have_one_winner(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(8):
        email, users = new_email(), [server_pair.create_user(), server_pair.create_user()]
        for user in users:
            server_pair.send_until_served(user.prepare_post("/users/email", {"email": email}))
        verification_id = register(server_pair, email)
        codes = [
            server_pair.current_code(crypto.base64url_encode(server_pair.rows(email_change_ids(user.user_id))[0]))
            for user in users
        ]
        verifications = [
            user.prepare_post("/users/email/verify", {"otp": code}) for user, code in zip(users, codes, strict=True)
        ]
        registration_verification = prepare_post(
            "/auth/verify", {"otp": server_pair.current_code(verification_id), "verification_id": verification_id}
        )
        responses = server_pair.send_parallel([*verifications, registration_verification] * 2)

        assert statuses(responses)[200] == 1
        assert set(statuses(responses)) <= {200, 401, 429, OVERLOADED}
        assert count_users(server_pair, email) == 1


def test_parallel_email_changes_keep_code_bound_to_its_email(server_pair: ServerPair, rounds: Rounds) -> None:
    """A code confirms only its own email address, not a different one requested concurrently."""
    for _ in rounds(10):
        user, own_email, victim_email = server_pair.create_user(), new_email(), new_email()
        server_pair.send_until_served(user.prepare_post("/users/email", {"email": own_email}))
        code = server_pair.current_code(crypto.base64url_encode(server_pair.rows(email_change_ids(user.user_id))[0]))
        verification = user.prepare_post("/users/email/verify", {"otp": code})
        responses = server_pair.send_parallel(
            [verification, user.prepare_post("/users/email", {"email": victim_email}), verification]
        )

        assert statuses(responses)[500] == 0
        [address] = server_pair.rows(select(User.normalized_email).where(User.id == user.user_id))
        assert address in {user.email, own_email}
        assert count_users(server_pair, victim_email) == 0
