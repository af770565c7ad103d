"""Somebody who puts up pictures of themselves, and looks at what is shown and kept."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.avatars.files import form
from tests.people import People, Person, bearer, network
from tests.registration.asking import elsewhere
from werkzeug.test import TestResponse

from flaskauth.avatars import service
from flaskauth.foundation.current import KEY
from flaskauth.settings import Settings


@dataclass
class Wearer:
    """A signed-in person."""

    app: Flask
    client: FlaskClient
    person: Person
    token: str = ""

    @classmethod
    def joined(cls, app: Flask, email: str = "grace@example.com") -> "Wearer":
        wearer = cls(app, app.test_client(), People(app).joined(email))
        wearer.sign_in()
        return wearer

    def sign_in(self) -> dict[str, Any]:
        answer = self.person.signed_in()
        self.token = answer["token"]
        return answer

    def put(self, file: bytes, name: str = "me.png", **more: Any) -> TestResponse:
        """Send one file, as a browser does."""
        return self.send(*form(("avatar", name, file)), **more)

    def send(self, body: bytes, kind: str | None, **more: Any) -> TestResponse:
        """Send any body, each time from another network. A stream, of which the client makes no form of its own."""
        headers = {**network(elsewhere()), **bearer(self.token), **more.pop("headers", {})}
        sent = {"input_stream": BytesIO(body), "content_length": len(body), "content_type": kind}
        return self.app.test_client().put("/users/avatar", headers=headers, **sent, **more)

    def wears(self, file: bytes) -> str:
        """The name of the picture, once it is up."""
        answer = self.put(file)
        assert answer.status_code == 200, answer.text
        return name_in(answer)

    def remove(self) -> TestResponse:
        return self.client.delete("/users/avatar", headers=bearer(self.token))

    @property
    def shown(self) -> str | None:
        """The address of the picture in the profile."""
        user = self.client.get("/users/profile", headers=bearer(self.token)).get_json()["user"]
        found: str | None = user["avatar"]
        return found

    def look(self, name: str) -> TestResponse:
        """What everybody sees at the picture's address."""
        return self.app.test_client().get(f"/avatars/{name}")


def name_in(answer: TestResponse) -> str:
    """The last part of the picture's address."""
    address: str = answer.get_json()["user"]["avatar"]
    return address.rpartition("/")[2]


def kept(app: Flask) -> set[str]:
    """The files in the folder."""
    settings: Settings = app.extensions[KEY]
    return {path.name for path in folder(settings).rglob("*") if path.is_file()}


def folder(settings: Settings) -> Path:
    return settings.flaskauth_instance_path / "avatars"


def purge(app: Flask) -> None:
    with app.app_context():
        service.purge()
