"""Parallel requests to two server processes: a code, a challenge and a confirmation work once."""

import pyotp
from tests.concurrency.conftest import ROUNDS_OVERRIDE, Rounds
from tests.concurrency.parallel_requests import OVERLOADED, PreparedRequest, prepare_post, statuses
from tests.concurrency.servers import ServerPair, SignedInUser

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.mfa import challenges

PARALLEL = 100 if ROUNDS_OVERRIDE else 20
CHALLENGES = 4


def start_enrolment(server_pair: ServerPair, user: SignedInUser) -> tuple[str, pyotp.TOTP]:
    """Return the path that confirms a new app, and the app."""
    body = server_pair.send_until_served(prepare_post("/users/factors/totp", {"name": "Phone"}, user.tokens.token))
    return f"/users/factors/totp/{body['id']}/confirm", pyotp.TOTP(body["secret"])


def confirmation(path: str, app: pyotp.TOTP, user: SignedInUser) -> PreparedRequest:
    return prepare_post(path, {"otp": app.at(clock.now())}, user.tokens.token)


def create_challenges(server_pair: ServerPair, user_id: int) -> list[str]:
    def create() -> list[str]:
        version = db.session.get_one(User, user_id).credential_version
        return [challenges.create(user_id, version, "pwd", None)[0] for _ in range(CHALLENGES)]

    return server_pair.run_as_request(create)


def second_steps(tokens: list[str], factor: dict[str, str]) -> list[PreparedRequest]:
    bodies = [{"challenge_token": token, **factor} for token in tokens]
    return [prepare_post("/auth/second-factor", bodies[number % len(bodies)]) for number in range(PARALLEL)]


def test_parallel_confirmations_and_codes_succeed_once(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(1):
        user = server_pair.create_user()
        path, app = start_enrolment(server_pair, user)
        confirmed = server_pair.send_parallel([confirmation(path, app, user)] * 4)

        assert statuses(confirmed)[200] == 1
        next_code = {"otp": app.at(clock.now().timestamp() + 30)}  # accepted one step early
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
