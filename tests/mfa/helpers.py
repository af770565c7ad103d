"""A user with an authenticator app, who enrols, signs in in two steps and reauthenticates over HTTP."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from tests.support import user_template
from tests.support.inspect import in_transaction, query_all
from tests.support.users import CLIENT_IP, GRACE, PASSWORD, UserFactory, bearer, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.core.passwords import hashes
from flaskauth.mfa import code_failures
from flaskauth.mfa.models import TotpFactor
from flaskauth.rate_limits.models import RateLimitCounter
from flaskauth.sessions.models import Session
from flaskauth.signing_keys import access_tokens, amr

STEP = timedelta(seconds=30)
NEW_SECRET = "Zr8wQk3mXv6nBt1yLp5sHd9fGc2jAe7u"  # a SECRET_KEY that differs from conftest.SECRET
KIND = "with an app"  # of the template
SECOND_FACTOR_REQUIRED = (401, "second_factor_required")
INVALID_CODE = (401, "invalid_code")
CHALLENGE_EXPIRED = (401, "invalid_token")
REAUTHENTICATION_REQUIRED = (403, "reauthentication_required")
NOT_FOUND = (404, "not_found")


@dataclass
class MfaUser:
    """A signed-in user. `secret` and `recovery_codes` are those of the newest app and set."""

    client: FlaskClient
    email: str
    token: str
    device_token: str = ""
    refresh_token: str = ""
    secret: str = ""
    factor_id: int = 0
    recovery_codes: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, app: Flask, email: str = "grace@example.com", *, enrols: bool = True) -> "MfaUser":
        """Create a user. The first one of a test that has an app may come from a template."""
        clock.travel(STEP - timedelta(seconds=clock.now().timestamp() % STEP.total_seconds()))  # no step ends soon
        is_first = enrols and email == GRACE["email"] and user_template.is_usable(app)
        if is_first and user_template.write(app, KIND):
            return _enrolled[hashes.ARGON2].copied_to(app)
        tokens = UserFactory(app).create_verified(email).login_ok()
        user = cls(app.test_client(), email, tokens["token"], tokens["device_token"], tokens["refresh_token"])
        if enrols:
            user.enrol()
        if is_first:
            user_template.save(app, KIND)
            _enrolled[hashes.ARGON2] = replace(user, recovery_codes=[*user.recovery_codes])
        return user

    def copied_to(self, app: Flask) -> "MfaUser":
        """Return the user for a copy of the rows, with a new access token. The code of the current step is unused."""
        last_step = int(clock.now().timestamp() // STEP.total_seconds()) - 1
        in_transaction(app, lambda: db.session.execute(update(TotpFactor).values(last_step=last_step)))
        with app.app_context():
            session = db.session.scalars(select(Session)).one()
            token = access_tokens.issue(session.user_id, session.id, session.created_at, amr.PASSWORD, fresh=True)
        return replace(self, client=app.test_client(), token=token, recovery_codes=[*self.recovery_codes])

    def call(self, method: str, path: str, body: object = None, token: str | None = None) -> TestResponse:
        headers = {**bearer(token or self.token), **forwarded_for(CLIENT_IP)}
        return self.client.open(f"/users/factors{path}", method=method, json=body, headers=headers)

    def start_enrolment(self, name: str = "Phone") -> dict[str, Any]:
        response = self.call("POST", "/totp", {"name": name})
        assert response.status_code == 200, response.text
        self.secret, self.factor_id = response.get_json()["secret"], response.get_json()["id"]
        body: dict[str, Any] = response.get_json()
        return body

    def confirm(self, otp: str | None = None) -> TestResponse:
        return self.call("POST", f"/totp/{self.factor_id}/confirm", {"otp": otp or self.otp()})

    def enrol(self, name: str = "Phone") -> None:
        """Add an app. Its confirmation uses the code of the current step, so the clock moves to the next one."""
        self.start_enrolment(name)
        response = self.confirm()
        assert response.status_code == 200, response.text
        self.recovery_codes = response.get_json()["recovery_codes"] or self.recovery_codes
        clock.travel(STEP)

    def otp(self, steps: int = 0) -> str:
        """Return the code that the app shows, or showed some steps ago (negative)."""
        return pyotp.TOTP(self.secret).at(clock.now() + steps * STEP)

    def login(self, password: str = PASSWORD, at: str = CLIENT_IP, **fields: str) -> TestResponse:
        body = {"email": self.email, "password": password, **fields}
        return self.client.post("/auth/login", json=body, headers=forwarded_for(at))

    def challenge(self, at: str = CLIENT_IP, **fields: str) -> str:
        """Send the right password and return the token of the login challenge."""
        response = self.login(at=at, **fields)
        assert response.status_code == 401, response.text
        token: str = response.get_json()["challenge_token"]
        return token

    def send_factor(self, challenge: str, at: str = CLIENT_IP, **fields: Any) -> TestResponse:
        """Send a second factor, by default the code that the app shows."""
        body = {"challenge_token": challenge, **(fields if self.has_factor(fields) else {"otp": self.otp(), **fields})}
        return self.client.post("/auth/second-factor", json=body, headers=forwarded_for(at))

    @staticmethod
    def has_factor(fields: dict[str, Any]) -> bool:
        return bool({"otp", "recovery_code", "passkey"} & set(fields))

    def sign_in(self, **fields: Any) -> dict[str, Any]:
        """Sign in with both factors, and use the new tokens from now on."""
        response = self.send_factor(self.challenge(), **fields)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.get_json()
        self.token, self.device_token, self.refresh_token = body["token"], body["device_token"], body["refresh_token"]
        clock.travel(STEP)
        return body

    def reauthenticate(self, **fields: str) -> TestResponse:
        headers = {**bearer(self.token), **forwarded_for(CLIENT_IP)}
        return self.client.post("/auth/reauthenticate", json={"password": PASSWORD, **fields}, headers=headers)

    def overview(self) -> dict[str, Any]:
        body: dict[str, Any] = self.call("GET", "").get_json()
        return body


def accepted_otps(user: MfaUser) -> set[str]:
    """Return the codes of the window. A code of another step or user is one of them with a small probability."""
    return {user.otp(steps) for steps in (-1, 0, 1)}


def wrong_otp(user: MfaUser) -> str:
    """Return six digits that are no code of the user's app within 10 minutes."""
    return otp_of_no_app(user.secret)


def otp_of_no_app(*secrets: str) -> str:
    """Return six digits that no app with one of the secrets shows within 10 minutes."""
    times = [clock.now() + steps * STEP for steps in range(-25, 26)]
    taken = {pyotp.TOTP(secret).at(time) for secret in secrets for time in times}
    return next(otp for number in range(len(taken) + 1) if (otp := f"{number:06}") not in taken)


def set_wrong_codes(app: Flask, email: str, count: int) -> None:
    """Set the counts of consecutive wrong codes, as if they were too far apart for the other limits."""
    [user_id] = query_all(app, select(User.id).where(User.email == email))
    resets_at = clock.now() + code_failures.NO_WINDOW

    def store() -> None:
        for key in (code_failures.key(user_id), code_failures.unrecognised_key(user_id)):
            db.session.merge(RateLimitCounter(key=key, count=count, resets_at=resets_at))

    in_transaction(app, store)


_enrolled: dict[object, MfaUser] = {}  # the user of the template for each password hasher
