"""A user's life cycle over HTTP: register, log in, use the account, log out. Every secret on the way is recorded."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyotp
from tests.e2e.http_client import HttpClient, HttpResponse
from tests.support.users import registration_form

PASSWORD = "quarrelsome blue ladders"  # not the documentation's example, which is in the log of a starting server
NEW_PASSWORD = "eleven patient lighthouses"


@dataclass
class UserScenario:
    """A user with an email address, on one device."""

    client: HttpClient
    code_for: Callable[[str], str]
    email: str
    verification_id: str = ""
    token: str = ""
    refresh_token: str = ""
    device_token: str = ""
    reset_id: str = ""
    totp_secret: str = ""
    recovery_codes: list[str] = field(default_factory=list)
    secrets: set[str | bytes] = field(default_factory=lambda: {PASSWORD, NEW_PASSWORD})

    def register(self) -> None:
        form = registration_form(self.email, password=PASSWORD)
        self.finish_registration(self.client.post_with_retries("/auth/register", form))

    def finish_registration(self, response: HttpResponse) -> None:
        assert response.expect()["success"] is True
        self.verification_id = response.body["verification_id"]

    def read_code(self) -> str:
        code = self.code_for(self.email)
        self.secrets.add(code)
        return code

    def verify(self) -> None:
        body = {"otp": self.read_code(), "verification_id": self.verification_id}
        assert self.client.post("/auth/verify", body).expect()["success"] is True

    def register_and_verify(self) -> None:
        self.register()
        self.verify()

    def login(self) -> None:
        response = self._store_tokens(self.attempt_login(PASSWORD))
        self.device_token = response["device_token"]
        self.secrets.add(self.device_token)
        assert response["user"]["email"] == self.email

    def attempt_login(self, password: str) -> HttpResponse:
        device = {"device_token": self.device_token} if self.device_token else {}
        return self.client.post("/auth/login", {"email": self.email, "password": password, **device})

    def refresh(self) -> None:
        old = self.refresh_token
        self._store_tokens(self.client.post("/auth/refresh", {"refresh_token": old}))
        assert self.refresh_token != old

    def edit_profile(self) -> None:
        """Read and change the profile."""
        assert self.client.get("/users/profile", self.token).expect()["user"]["country"] is None
        changes = {"first_name": "Amazing", "country": "NG"}
        edited = self.client.post("/users/edit", changes, self.token).expect()["user"]
        assert (edited["first_name"], edited["country_id"]) == ("Amazing", 566)
        assert self.client.get("/users/profile", self.token).expect()["user"] == edited

    def revoke_other_sessions(self) -> None:
        """Log in again, list the sessions, and revoke all others with a fresh access token."""
        first = self.token
        self.login()
        self.refresh()
        assert [session["current"] for session in self._list_sessions()] == [True, False]
        assert self.client.delete("/auth/sessions", self.token).expect(403)["code"] == "reauthentication_required"
        self._store_access_token(self.client.post("/auth/reauthenticate", {"password": PASSWORD}, self.token))
        self.client.delete("/auth/sessions", self.token).expect()
        assert len(self._list_sessions()) == 1
        self.client.get("/users/profile", first).expect(401)

    def request_password_reset(self) -> None:
        self.reset_id = self.client.post("/auth/forgot-password", {"email": self.email}).expect()["reset_id"]

    def reset_password(self, code: str) -> None:
        """Set a new password with the code from the mail; all earlier sessions are revoked."""
        self.secrets.add(code)
        body = {"otp": code, "password": NEW_PASSWORD, "reset_id": self.reset_id}
        self.client.post("/auth/reset-password", body).expect()
        self.client.get("/users/profile", self.token).expect(401)
        self.client.post("/auth/refresh", {"refresh_token": self.refresh_token}).expect(401)
        self.attempt_login(PASSWORD).expect(401)
        self._store_tokens(self.attempt_login(NEW_PASSWORD))

    def change_password_back(self) -> None:
        body = {"current_password": NEW_PASSWORD, "password": PASSWORD}
        self.client.post("/auth/change-password", body, self.token).expect()
        self.client.get("/users/profile", self.token).expect()

    def request_email_change(self, email: str) -> None:
        self.client.post("/users/email", {"email": email}, self.token).expect()

    def confirm_email_change(self, code: str, email: str) -> None:
        """Confirm the new email address, and continue in this session."""
        assert self.client.post("/users/email/verify", {"otp": code}, self.token).expect()["user"]["email"] == email
        self.client.get("/users/profile", self.token).expect()

    def follow_security_link(self, path: str, token: str) -> None:
        """Open and confirm a link of a mail, which can be used once and revokes the session."""
        self.client.get(path)
        self.client.get("/users/profile", self.token).expect()
        self.client.post(path, {"token": token}).expect()
        self.client.post(path, {"token": token}).expect(401)
        self.client.get("/users/profile", self.token).expect(401)
        self.attempt_login(PASSWORD).expect(401)

    def add_second_factor(self) -> None:
        """Add an authenticator app, which turns MFA on, and keep the recovery codes."""
        app = self.client.post("/users/factors/totp", {"name": "Phone"}, self.token).expect()
        self.totp_secret = app["secret"]
        self.secrets |= {self.totp_secret, base64.b32decode(self.totp_secret)}
        path = f"/users/factors/totp/{app['id']}/confirm"
        confirmed = self.client.post(path, {"otp": pyotp.TOTP(self.totp_secret).now()}, self.token).expect()
        self.recovery_codes = confirmed["recovery_codes"]
        self.secrets |= {*self.recovery_codes}

    def begin_login(self) -> str:
        """Send the right password, and return the token of the login challenge."""
        token: str = self.attempt_login(PASSWORD).expect(401)["challenge_token"]
        self.secrets.add(token)
        return token

    def login_with_factor(self, **factor: object) -> None:
        body = {"challenge_token": self.begin_login(), "device_token": self.device_token}
        self._store_tokens(self.client.post("/auth/second-factor", {**body, **factor}))

    def lose_factor(self) -> None:
        """Request the removal of the lost factors."""
        response = self.client.post("/auth/lost-factor", {"challenge_token": self.begin_login()}).expect()
        self.reset_id = response["reset_id"]

    def confirm_lost_factor(self, code: str) -> None:
        self.secrets.add(code)
        self.client.post("/auth/lost-factor/confirm", {"reset_id": self.reset_id, "otp": code}).expect()

    def delete_and_restore_account(self) -> None:
        """Delete the account, check what the user can still do, and restore it."""
        assert self.client.delete("/users/account", self.token).expect()["deletion_due_at"].endswith("Z")
        self.client.get("/users/profile", self.token).expect(401)
        self.login()
        assert self.client.get("/users/activity", self.token).expect(403)["code"] == "forbidden"
        assert self.client.get("/users/export", self.token).expect()["profile"]["email"] == self.email
        self.client.post("/users/account/restore", token=self.token).expect()
        events = self.client.get("/users/activity?limit=3", self.token).expect()["events"]
        assert [event["name"] for event in events] == ["account_restored", "account_exported", "sign_in"]

    def logout(self) -> None:
        self.client.post("/auth/logout", token=self.token).expect()
        self.client.get("/users/profile", self.token).expect(401)
        self.client.post("/auth/refresh", {"refresh_token": self.refresh_token}).expect(401)

    def run_full_scenario(self) -> None:
        self.register_and_verify()
        self.login()
        self.edit_profile()
        self.refresh()
        self.revoke_other_sessions()
        self.logout()

    def _list_sessions(self) -> list[dict[str, Any]]:
        sessions: list[dict[str, Any]] = self.client.get("/auth/sessions", self.token).expect()["sessions"]
        return sessions

    def _store_tokens(self, response: HttpResponse) -> dict[str, Any]:
        body = self._store_access_token(response)
        self.refresh_token = body["refresh_token"]
        self.secrets.add(self.refresh_token)
        return body

    def _store_access_token(self, response: HttpResponse) -> dict[str, Any]:
        body: dict[str, Any] = response.expect()
        self.token = body["token"]
        self.secrets.add(self.token)
        return body
