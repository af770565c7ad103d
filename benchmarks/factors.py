"""python -m benchmarks.factors: sign-ins with a passkey and with a password, and second steps with a code, per second.

They are measured in turn, in each round. The challenges are created, and those of passkeys signed, before: the first
step, the browser and the authenticator of the user do that.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pyotp
from sqlalchemy import select, update
from tests.e2e.http_client import CLIENT_IPS, HttpClient
from tests.support.soft_authenticator import SoftAuthenticator

from benchmarks.environment import PASSWORD, RunningServer, running_server
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db, transaction, transaction_for_each
from flaskauth.core.ids import RANDOM_BITS, new_id
from flaskauth.mfa import challenges, totp
from flaskauth.mfa.models import TotpFactor

USER_COUNT, CODE_USER_COUNT = 200, 600
CONNECTIONS = 4
ROUNDS = 5
PASSKEY_SIGN_INS, PASSWORD_SIGN_INS = 800, 160  # per round; a user sends one code
MINIMUM_RATIO = 2.5
MINIMUM_CODES = 120  # per second
SECRET = bytes(range(20))

Request = tuple[str, dict[str, Any]]


def register_passkey(server: RunningServer, email: str) -> SoftAuthenticator:
    authenticator = SoftAuthenticator(origin=f"http://127.0.0.1:{server.port}")
    token = server.login(email)["token"]
    with closing(HttpClient(server.port, next(CLIENT_IPS))) as client:
        path = "/users/factors/passkeys"
        options = client.post(f"{path}/options", {"kind": "passkey"}, token).expect()["options"]
        client.post(path, {"credential": authenticator.create(options), "name": "Laptop"}, token).expect()
    return authenticator


def add_apps(emails: Sequence[str]) -> None:
    """Insert a confirmed authenticator app for each user."""
    first_id, now = new_id(), clock.now()
    for number, user_id in enumerate(db.session.scalars(select(User.id).where(User.email.in_(emails))).all()):
        factor = TotpFactor(id=first_id + number * 2**RANDOM_BITS, user_id=user_id, session_id=1, name="Phone")
        factor.last_step, factor.created_at, factor.confirmed_at = 0, now, now
        factor.encrypted_secret = totp._encrypt(factor, SECRET)
        db.session.add(factor)
    db.session.execute(update(User).where(User.email.in_(emails)).values(mfa_enabled=True))


def sign_challenges(server: RunningServer, authenticators: Sequence[SoftAuthenticator]) -> list[Request]:
    with closing(HttpClient(server.port, next(CLIENT_IPS))) as client:
        return [
            (
                "/auth/passkeys",
                {"credential": authenticator.get(client.post("/auth/passkeys/options").expect()["options"])},
            )
            for authenticator in authenticators
        ]


def prepare_codes(server: RunningServer) -> list[Request]:
    """Begin the sign-ins of all users with an app, and let the current code be used again.

    They count as the first ones of these users, so none is mailed as the sign-in of a new device.
    """

    def reset() -> Sequence[int]:
        db.session.execute(update(TotpFactor).values(last_step=0))
        db.session.execute(update(User).where(User.mfa_enabled.is_(True)).values(last_login_at=None))
        return db.session.scalars(select(TotpFactor.user_id)).all()

    with server.app.test_request_context(environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        user_ids = transaction(reset)
        # Hundreds of ids in one transaction could have the same random bits in the same millisecond.
        tokens = transaction_for_each(user_ids, lambda user_id: challenges.create(user_id, 0, "pwd", None)[0])
    code = pyotp.TOTP(totp._to_base32(SECRET)).at(clock.now())
    return [("/auth/second-factor", {"challenge_token": token, "otp": code}) for token in tokens]


def measure_rate(server: RunningServer, requests: Sequence[Request]) -> float:
    """Send the requests over several connections, and return the number of responses per second."""

    def send(share: Sequence[Request]) -> None:
        with closing(HttpClient(server.port, next(CLIENT_IPS))) as client:
            for path, body in share:
                client.post(path, body).expect()

    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, [requests[number::CONNECTIONS] for number in range(CONNECTIONS)]))
    return len(requests) / (time.perf_counter() - started)


def main() -> None:
    emails = [f"user-{number}@example.com" for number in range(USER_COUNT)]
    code_emails = [f"code-{number}@example.com" for number in range(CODE_USER_COUNT)]
    with running_server() as server:
        server.add_users([*emails, *code_emails])
        authenticators = [register_passkey(server, email) for email in emails]
        server.in_transaction(lambda: add_apps(code_emails))
        passwords = [("/auth/login", {"email": email, "password": PASSWORD}) for email in emails]
        loads: dict[str, Callable[[], list[Request]]] = {
            "passkey": lambda: sign_challenges(server, authenticators * (PASSKEY_SIGN_INS // USER_COUNT)),
            "password": lambda: passwords[:PASSWORD_SIGN_INS],
            "code": lambda: prepare_codes(server),
        }
        ratios, codes = [], []
        for _ in range(ROUNDS):
            rates = {name: measure_rate(server, prepare()) for name, prepare in loads.items()}
            ratios.append(rates["passkey"] / rates["password"])
            codes.append(rates["code"])
            summary = (f"{name} {rate:.0f}/s" for name, rate in rates.items())
            print(*summary, f"passkey / password {ratios[-1]:.2f}", flush=True)
    ratio, rate = statistics.median(ratios), statistics.median(codes)
    print(f"median ratio {ratio:.2f}, at least {MINIMUM_RATIO} is expected")
    print(f"median {rate:.0f} codes/s, at least {MINIMUM_CODES} are expected")
    sys.exit(ratio < MINIMUM_RATIO or rate < MINIMUM_CODES)


if __name__ == "__main__":
    main()
