"""The requests of a user with passkeys."""

from dataclasses import dataclass, field
from typing import Any, Self

from flask.testing import FlaskClient
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.users import CLIENT_IP, TestUser, bearer, forwarded_for
from werkzeug.test import TestResponse

PASSKEYS = "/users/factors/passkeys"


def sign_in_options(client: FlaskClient) -> dict[str, Any]:
    options: dict[str, Any] = client.post("/auth/passkeys/options").get_json()["options"]
    return options


def passkey_login(client: FlaskClient, credential: dict[str, Any], at: str = CLIENT_IP, **more: str) -> TestResponse:
    return client.post("/auth/passkeys", json={"credential": credential, **more}, headers=forwarded_for(at))


def sign_in_with(client: FlaskClient, authenticator: SoftAuthenticator) -> TestResponse:
    """Sign in with a passkey, whose counter increases if it has one."""
    authenticator.sign_count += 1 if authenticator.sign_count else 0
    return passkey_login(client, authenticator.get(sign_in_options(client)))


@dataclass
class PasskeyUser:
    """A signed-in user, whose token is fresh."""

    user: TestUser
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def sign_in(cls, user: TestUser) -> Self:
        return cls(user, bearer(user.login_ok()["token"]))

    @property
    def client(self) -> FlaskClient:
        return self.user.client

    def creation_options(self, kind: str = "passkey") -> dict[str, Any]:
        response = self.client.post(f"{PASSKEYS}/options", json={"kind": kind}, headers=self.headers)
        assert response.status_code == 200, response.text
        options: dict[str, Any] = response.get_json()["options"]
        return options

    def register(self, credential: dict[str, Any], name: str = "MacBook", **more: Any) -> TestResponse:
        body = {"credential": credential, "name": name, **more}
        return self.client.post(PASSKEYS, json=body, headers=self.headers)

    def add(
        self, authenticator: SoftAuthenticator | None = None, kind: str = "passkey", **more: Any
    ) -> SoftAuthenticator:
        """Register a passkey, and return its authenticator."""
        authenticator = authenticator or SoftAuthenticator()
        response = self.register(authenticator.create(self.creation_options(kind)), **more)
        assert response.status_code == 200, response.text
        return authenticator
