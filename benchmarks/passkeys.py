"""python -m benchmarks.passkeys: sign-ins with a passkey and with a password per second, and their ratio.

Both are measured in turn, in each round. The challenges are requested and signed before, because the browser and the
authenticator of the user do that.
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from tests.e2e.http_client import CLIENT_IPS, HttpClient
from tests.support.soft_authenticator import SoftAuthenticator

from benchmarks.environment import PASSWORD, RunningServer, running_server

USER_COUNT = 200
CONNECTIONS = 4
ROUNDS = 5
PASSKEY_SIGN_INS, PASSWORD_SIGN_INS = 800, 160  # per round
MINIMUM_RATIO = 2.5

Request = tuple[str, dict[str, Any]]


def register_passkey(server: RunningServer, email: str) -> SoftAuthenticator:
    authenticator = SoftAuthenticator(origin=f"http://127.0.0.1:{server.port}")
    token = server.login(email)["token"]
    with closing(HttpClient(server.port, next(CLIENT_IPS))) as client:
        path = "/users/factors/passkeys"
        options = client.post(f"{path}/options", {"kind": "passkey"}, token).expect()["options"]
        client.post(path, {"credential": authenticator.create(options), "name": "Laptop"}, token).expect()
    return authenticator


def sign_challenges(server: RunningServer, authenticators: Sequence[SoftAuthenticator]) -> list[Request]:
    with closing(HttpClient(server.port, next(CLIENT_IPS))) as client:
        return [
            (
                "/auth/passkeys",
                {"credential": authenticator.get(client.post("/auth/passkeys/options").expect()["options"])},
            )
            for authenticator in authenticators
        ]


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
    with running_server() as server:
        server.add_users(emails)
        authenticators = [register_passkey(server, email) for email in emails]
        passwords = [("/auth/login", {"email": email, "password": PASSWORD}) for email in emails]
        loads: dict[str, Callable[[], list[Request]]] = {
            "passkey": lambda: sign_challenges(server, authenticators * (PASSKEY_SIGN_INS // USER_COUNT)),
            "password": lambda: passwords[:PASSWORD_SIGN_INS],
        }
        ratios = []
        for _ in range(ROUNDS):
            rates = {name: measure_rate(server, prepare()) for name, prepare in loads.items()}
            ratios.append(rates["passkey"] / rates["password"])
            print(*(f"{name} {rate:.0f}/s" for name, rate in rates.items()), f"ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}, at least {MINIMUM_RATIO} is expected")
    sys.exit(statistics.median(ratios) < MINIMUM_RATIO)


if __name__ == "__main__":
    main()
