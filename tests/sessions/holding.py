"""A session as its holder has it: tokens that are traded, used and given up."""

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.people import HERE, People, bearer, network
from werkzeug.test import TestResponse

SIGNED_OUT = (401, "signed_out")
INVALID = (401, "invalid_token")


@dataclass
class Holder:
    """Somebody's session, with its newest tokens."""

    client: FlaskClient
    tokens: dict[str, Any]

    @classmethod
    def of(cls, app: Flask, email: str = "grace@example.com", at: str = HERE) -> "Holder":
        """A new person's first session."""
        person = People(app).joined(email)
        return cls(person.client, person.signed_in(at=at))

    @property
    def session_id(self) -> int:
        return int(self.tokens["refresh_token"].split(".")[0])

    @property
    def token(self) -> str:
        return str(self.tokens["token"])

    @property
    def refresh_token(self) -> str:
        return str(self.tokens["refresh_token"])

    def presents(self, refresh_token: str, at: str = HERE, app: Flask | None = None) -> TestResponse:
        """Trade a refresh token, any."""
        client = (app or self.client.application).test_client()
        return client.post("/auth/refresh", json={"refresh_token": refresh_token}, headers=network(at))

    def refreshes(self) -> str:
        """Trade the newest refresh token; the next one."""
        answer = self.presents(self.refresh_token)
        assert answer.status_code == 200, answer.text
        self.tokens = {**self.tokens, **answer.get_json()}
        return self.refresh_token

    def calls(self, token: str | None = None, app: Flask | None = None) -> int:
        """Use an access token; the status."""
        client = (app or self.client.application).test_client()
        return client.get("/users/profile", headers=bearer(token or self.token)).status_code

    def is_over(self) -> bool:
        """Whether neither of its tokens opens anything."""
        return (self.calls(), self.presents(self.refresh_token).status_code) == (401, 401)
