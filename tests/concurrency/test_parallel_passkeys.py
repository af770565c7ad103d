"""Parallel requests to two server processes: a WebAuthn challenge is used once."""

from sqlalchemy import func, select
from tests.concurrency.conftest import Rounds
from tests.concurrency.parallel_requests import OVERLOADED, prepare_post, statuses
from tests.concurrency.servers import ServerPair, SignedInUser
from tests.support.soft_authenticator import Json, SoftAuthenticator

from flaskauth.mfa.models import Passkey

PASSKEYS = "/users/factors/passkeys"


def prepare_registration(server_pair: ServerPair, user: SignedInUser) -> tuple[SoftAuthenticator, Json]:
    """Return an authenticator and the body that registers its credential."""
    authenticator = SoftAuthenticator(origin=f"http://127.0.0.1:{server_pair.port}")
    options = server_pair.send_until_served(user.prepare_post(f"{PASSKEYS}/options", {"kind": "passkey"}))["options"]
    return authenticator, {"credential": authenticator.create(options), "name": "Laptop"}


def test_parallel_assertions_of_one_challenge_sign_in_once(server_pair: ServerPair, rounds: Rounds) -> None:
    user = server_pair.create_user()
    authenticator, body = prepare_registration(server_pair, user)
    server_pair.send_until_served(user.prepare_post(PASSKEYS, body))
    for _ in rounds(3):
        options = server_pair.send_until_served(prepare_post("/auth/passkeys/options"))["options"]
        request = prepare_post("/auth/passkeys", {"credential": authenticator.get(options)})
        counts = statuses(server_pair.send_parallel([request] * 100))

        assert set(counts) <= {200, 401, OVERLOADED}
        assert counts[200] == 1


def test_parallel_registrations_of_one_credential_add_one(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(3):
        user = server_pair.create_user()
        _, body = prepare_registration(server_pair, user)
        counts = statuses(server_pair.send_parallel([user.prepare_post(PASSKEYS, body)] * 20))

        assert set(counts) <= {200, 422, OVERLOADED}
        assert counts[200] == 1
        own = select(func.count()).select_from(Passkey).where(Passkey.user_id == user.user_id)
        assert list(server_pair.rows(own)) == [1]
