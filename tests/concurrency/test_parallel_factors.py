"""Parallel requests to two server processes: a factor works once, and guesses are limited."""

from collections import Counter
from datetime import timedelta

import pyotp
from sqlalchemy import select
from tests.concurrency.conftest import ROUNDS_OVERRIDE, Rounds
from tests.concurrency.parallel_requests import OVERLOADED, PreparedRequest, prepare_post, statuses
from tests.concurrency.servers import ServerPair, SignedInUser
from tests.mfa.helpers import otp_of_no_app
from tests.support.users import CLIENT_IP

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.mail.models import OutboxMail
from flaskauth.mfa import challenges
from flaskauth.mfa.challenges import MAX_ATTEMPTS
from flaskauth.rate_limits.service import FIRST_LOCKOUT

STEP = timedelta(seconds=30)
PARALLEL = 100 if ROUNDS_OVERRIDE else 20
CHALLENGES = 4
GUESSED_CHALLENGES = 200 if ROUNDS_OVERRIDE else 20


def start_enrolment(server_pair: ServerPair, user: SignedInUser) -> tuple[str, pyotp.TOTP]:
    """Return the path that confirms a new app, and the app."""
    body = server_pair.send_until_served(prepare_post("/users/factors/totp", {"name": "Phone"}, user.tokens.token))
    return f"/users/factors/totp/{body['id']}/confirm", pyotp.TOTP(body["secret"])


def confirmation(path: str, app: pyotp.TOTP, user: SignedInUser) -> PreparedRequest:
    return prepare_post(path, {"otp": app.at(clock.now())}, user.tokens.token)


def create_challenges(server_pair: ServerPair, user_id: int, count: int = CHALLENGES) -> list[str]:
    def create() -> list[str]:
        version = db.session.get_one(User, user_id).credential_version
        return [challenges.create(user_id, version, "pwd", None)[0] for _ in range(count)]

    return server_pair.run_as_request(create)


def second_steps(tokens: list[str], factor: dict[str, str]) -> list[PreparedRequest]:
    bodies = [{"challenge_token": token, **factor} for token in tokens]
    return [prepare_post("/auth/second-factor", bodies[number % len(bodies)]) for number in range(PARALLEL)]


def test_parallel_confirmations_and_codes_succeed_once(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(1):
        user = server_pair.create_user()
        path, app = start_enrolment(server_pair, user)
        confirmed = server_pair.send_parallel([confirmation(path, app, user)] * PARALLEL)

        assert statuses(confirmed)[200] == 1
        next_code = {"otp": app.at(clock.now() + STEP)}  # accepted one step early
        responses = server_pair.send_parallel(second_steps(create_challenges(server_pair, user.user_id), next_code))
        assert statuses(responses)[200] == 1
        assert set(statuses(responses)) <= {200, 401, 429, OVERLOADED}
        assert server_pair.count_active_sessions(user.user_id) == 2


def test_parallel_recovery_codes_succeed_once(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(1):
        user = server_pair.create_user()
        path, app = start_enrolment(server_pair, user)
        codes = server_pair.send_until_served(confirmation(path, app, user))["recovery_codes"]
        factor = {"recovery_code": codes[0]}
        responses = server_pair.send_parallel(second_steps(create_challenges(server_pair, user.user_id), factor))

        assert statuses(responses)[200] == 1
        assert server_pair.count_active_sessions(user.user_id) == 2


def test_parallel_wrong_codes_compare_ten(server_pair: ServerPair) -> None:
    """An attacker with the password sends five codes for each of many challenges, every one from a new network.

    The user is mailed once, and signs in from a recognised network meanwhile.
    """
    user = server_pair.create_user()
    path, app = start_enrolment(server_pair, user)
    server_pair.send_until_served(confirmation(path, app, user))
    tokens, wrong = create_challenges(server_pair, user.user_id, GUESSED_CHALLENGES), otp_of_no_app(app.secret)
    guesses = [prepare_post("/auth/second-factor", {"challenge_token": token, "otp": wrong}) for token in tokens]
    started, counts = clock.now(), Counter[int]()
    for _ in range(MAX_ATTEMPTS):
        for start in range(0, len(guesses), PARALLEL):
            counts += statuses(server_pair.send_parallel(guesses[start : start + PARALLEL]))
    elapsed = clock.now() - started
    lockouts_over = sum(elapsed >= FIRST_LOCKOUT * (2**count - 1) for count in range(1, 8))  # on a slow machine

    assert counts[401] <= 10 + lockouts_over
    assert counts.keys() <= {401, 429, OVERLOADED}
    assert counts.total() == MAX_ATTEMPTS * GUESSED_CHALLENGES
    warnings = select(OutboxMail.id).where(OutboxMail.template == "login/second_factor_failed")
    assert len(server_pair.rows(warnings.where(OutboxMail.recipient == user.email))) == 1
    [token] = create_challenges(server_pair, user.user_id, 1)
    body = {"challenge_token": token, "otp": app.at(clock.now() + STEP)}
    server_pair.send_until_served(prepare_post("/auth/second-factor", body, at=CLIENT_IP))
    assert server_pair.count_active_sessions(user.user_id) == 2
