"""A client of one session, which keeps the newest tokens."""

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.support.users import CLIENT_IP, UserFactory, bearer, forwarded_for
from werkzeug.test import TestResponse

INVALID_REFRESH_TOKEN = (401, "invalid_refresh_token")
INVALID_TOKEN = (401, "invalid_token")


@dataclass
class SessionClient:
    """A session with its newest access and refresh token."""

    client: FlaskClient
    tokens: dict[str, Any]

    @classmethod
    def for_new_user(cls, app: Flask, email: str = "grace@example.com", at: str = CLIENT_IP) -> "SessionClient":
        """Create a verified user and log in."""
        user = UserFactory(app).create_verified(email)
        return cls(user.client, user.login_ok(at=at))

    @property
    def session_id(self) -> int:
        return int(self.tokens["refresh_token"].split(".")[0])

    @property
    def token(self) -> str:
        return str(self.tokens["token"])

    @property
    def refresh_token(self) -> str:
        return str(self.tokens["refresh_token"])

    def post_refresh(self, refresh_token: str, at: str = CLIENT_IP, app: Flask | None = None) -> TestResponse:
        """Send any refresh token to `/auth/refresh`."""
        client = (app or self.client.application).test_client()
        return client.post("/auth/refresh", json={"refresh_token": refresh_token}, headers=forwarded_for(at))

    def refresh(self) -> str:
        """Exchange the newest refresh token and return the next one."""
        response = self.post_refresh(self.refresh_token)
        assert response.status_code == 200, response.text
        self.tokens = {**self.tokens, **response.get_json()}
        return self.refresh_token

    def profile_status(self, token: str | None = None, app: Flask | None = None) -> int:
        """Request the profile with an access token and return the status code."""
        client = (app or self.client.application).test_client()
        return client.get("/users/profile", headers=bearer(token or self.token)).status_code

    def is_logged_out(self) -> bool:
        """Return True if both the access token and the refresh token are rejected."""
        return (self.profile_status(), self.post_refresh(self.refresh_token).status_code) == (401, 401)
