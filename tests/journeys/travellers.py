"""The road that people take: join, sign in, look around, leave. Whoever goes it notes every secret met on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.journeys.visitors import Answer, Visitor
from tests.people import form

PASSWORD = "quarrelsome blue ladders"  # not the documentation's, which stands in the log of a server that starts
NEWER = "eleven patient lighthouses"


@dataclass
class Traveller:
    """Somebody with an address, on one device."""

    visitor: Visitor
    code_for: Callable[[str], str]
    email: str
    verification_id: str = ""
    token: str = ""
    refresh_token: str = ""
    device_token: str = ""
    reset_id: str = ""
    secrets: set[str] = field(default_factory=lambda: {PASSWORD, NEWER})

    def register(self) -> None:
        answer = self.visitor.post("/auth/register", form(self.email, password=PASSWORD)).expect()
        assert answer["success"] is True
        self.verification_id = answer["verification_id"]

    def read_code(self) -> str:
        code = self.code_for(self.email)
        self.secrets.add(code)
        return code

    def verify(self) -> None:
        body = {"otp": self.read_code(), "verification_id": self.verification_id}
        assert self.visitor.post("/auth/verify", body).expect()["success"] is True

    def join(self) -> None:
        self.register()
        self.verify()

    def sign_in(self) -> None:
        answer = self._keep(self.try_password(PASSWORD))
        self.device_token = answer["device_token"]
        self.secrets.add(self.device_token)
        assert answer["user"]["email"] == self.email

    def try_password(self, password: str) -> Answer:
        known = {"device_token": self.device_token} if self.device_token else {}
        return self.visitor.post("/auth/login", {"email": self.email, "password": password, **known})

    def refresh(self) -> None:
        old = self.refresh_token
        self._keep(self.visitor.post("/auth/refresh", {"refresh_token": old}))
        assert self.refresh_token != old

    def edit(self) -> None:
        """See the profile, and change it."""
        assert self.visitor.get("/users/profile", self.token).expect()["user"]["country"] is None
        changes = {"first_name": "Amazing", "country": "NG"}
        edited = self.visitor.post("/users/edit", changes, self.token).expect()["user"]
        assert (edited["first_name"], edited["country_id"]) == ("Amazing", 566)
        assert self.visitor.get("/users/profile", self.token).expect()["user"] == edited

    def end_others(self) -> None:
        """Sign in once more, look at the sessions, and end all but the newest, which takes a fresh token."""
        first = self.token
        self.sign_in()
        self.refresh()
        assert [session["current"] for session in self._sessions()] == [True, False]
        assert self.visitor.delete("/auth/sessions", self.token).expect(403)["code"] == "reauthentication_required"
        self._keep_token(self.visitor.post("/auth/reauthenticate", {"password": PASSWORD}, self.token))
        self.visitor.delete("/auth/sessions", self.token).expect()
        assert len(self._sessions()) == 1
        self.visitor.get("/users/profile", first).expect(401)

    def forget(self) -> None:
        self.reset_id = self.visitor.post("/auth/forgot-password", {"email": self.email}).expect()["reset_id"]

    def reset(self, code: str) -> None:
        """Set another password with the code from the mail; what the old one opened has ended."""
        self.secrets.add(code)
        body = {"otp": code, "password": NEWER, "reset_id": self.reset_id}
        self.visitor.post("/auth/reset-password", body).expect()
        self.visitor.get("/users/profile", self.token).expect(401)
        self.visitor.post("/auth/refresh", {"refresh_token": self.refresh_token}).expect(401)
        self.try_password(PASSWORD).expect(401)
        self._keep(self.try_password(NEWER))

    def change_password_back(self) -> None:
        body = {"current_password": NEWER, "password": PASSWORD}
        self.visitor.post("/auth/change-password", body, self.token).expect()
        self.visitor.get("/users/profile", self.token).expect()

    def ask_for_address(self, email: str) -> None:
        self.visitor.post("/users/email", {"email": email}, self.token).expect()

    def prove_address(self, code: str, email: str) -> None:
        """Have another address, and go on with this session."""
        assert self.visitor.post("/users/email/verify", {"otp": code}, self.token).expect()["user"]["email"] == email
        self.visitor.get("/users/profile", self.token).expect()

    def take_back(self, path: str, token: str) -> None:
        """Follow a link of a mail; whoever was signed in is not any more."""
        self.visitor.get(path)
        self.visitor.get("/users/profile", self.token).expect()
        self.visitor.post(path, {"token": token}).expect()
        self.visitor.post(path, {"token": token}).expect(401)
        self.visitor.get("/users/profile", self.token).expect(401)
        self.try_password(PASSWORD).expect(401)

    def close_and_restore(self) -> None:
        """Close the account, look at what a sign-in still reaches, and take it back."""
        assert self.visitor.delete("/users/account", self.token).expect()["closes_at"].endswith("Z")
        self.visitor.get("/users/profile", self.token).expect(401)
        self.sign_in()
        assert self.visitor.get("/users/activity", self.token).expect(403)["code"] == "forbidden"
        assert self.visitor.get("/users/export", self.token).expect()["profile"]["email"] == self.email
        self.visitor.post("/users/account/restore", token=self.token).expect()
        events = self.visitor.get("/users/activity?limit=3", self.token).expect()["events"]
        assert [event["name"] for event in events] == ["account_restored", "account_exported", "sign_in"]

    def sign_out(self) -> None:
        self.visitor.post("/auth/logout", token=self.token).expect()
        self.visitor.get("/users/profile", self.token).expect(401)
        self.visitor.post("/auth/refresh", {"refresh_token": self.refresh_token}).expect(401)

    def go_all_the_way(self) -> None:
        self.join()
        self.sign_in()
        self.edit()
        self.refresh()
        self.end_others()
        self.sign_out()

    def _sessions(self) -> list[dict[str, Any]]:
        sessions: list[dict[str, Any]] = self.visitor.get("/auth/sessions", self.token).expect()["sessions"]
        return sessions

    def _keep(self, answer: Answer) -> dict[str, Any]:
        body = self._keep_token(answer)
        self.refresh_token = body["refresh_token"]
        self.secrets.add(self.refresh_token)
        return body

    def _keep_token(self, answer: Answer) -> dict[str, Any]:
        body: dict[str, Any] = answer.expect()
        self.token = body["token"]
        self.secrets.add(self.token)
        return body
