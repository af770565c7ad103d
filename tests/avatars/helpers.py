"""Helpers that upload avatars and read what is served and stored."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from tests.avatars.sample_images import multipart_form
from tests.registration.helpers import unused_ip
from tests.support.users import TestUser, UserFactory, bearer, forwarded_for
from werkzeug.test import TestResponse

from flaskauth.avatars import service
from flaskauth.core.context import KEY
from flaskauth.settings import Settings


@dataclass
class AvatarUser:
    """A signed-in user."""

    app: Flask
    client: FlaskClient
    user: TestUser
    token: str = ""

    @classmethod
    def create(cls, app: Flask, email: str = "grace@example.com") -> "AvatarUser":
        avatar_user = cls(app, app.test_client(), UserFactory(app).create_verified(email))
        avatar_user.sign_in()
        return avatar_user

    def sign_in(self) -> dict[str, Any]:
        response = self.user.login_ok()
        self.token = response["token"]
        return response

    def put(self, file: bytes, name: str = "me.png", **options: Any) -> TestResponse:
        """Upload one file as a browser does."""
        return self.send(*multipart_form(("avatar", name, file)), **options)

    def send(self, body: bytes, content_type: str | None, **options: Any) -> TestResponse:
        """Send any body, from a new IP, as a stream: the test client must not build a form itself."""
        headers = {**forwarded_for(unused_ip()), **bearer(self.token), **options.pop("headers", {})}
        request = {"input_stream": BytesIO(body), "content_length": len(body), "content_type": content_type}
        return self.app.test_client().put("/users/avatar", headers=headers, **request, **options)

    def upload(self, file: bytes) -> str:
        """Upload a file and return the name of the avatar."""
        response = self.put(file)
        assert response.status_code == 200, response.text
        return avatar_name(response)

    def remove(self) -> TestResponse:
        return self.client.delete("/users/avatar", headers=bearer(self.token))

    @property
    def avatar_url(self) -> str | None:
        """Return the avatar URL of the profile."""
        user = self.client.get("/users/profile", headers=bearer(self.token)).get_json()["user"]
        url: str | None = user["avatar"]
        return url

    def fetch(self, name: str) -> TestResponse:
        """Return the public response of the avatar URL."""
        return self.app.test_client().get(f"/avatars/{name}")


def avatar_name(response: TestResponse) -> str:
    """Return the last part of the avatar URL."""
    avatar_url: str = response.get_json()["user"]["avatar"]
    return avatar_url.rpartition("/")[2]


def stored_files(app: Flask) -> set[str]:
    """Return the names of the stored files."""
    settings: Settings = app.extensions[KEY]
    return {path.name for path in avatar_folder(settings).rglob("*") if path.is_file()}


def avatar_folder(settings: Settings) -> Path:
    return settings.flaskauth_instance_path / "avatars"


def purge_avatars(app: Flask) -> None:
    with app.app_context():
        service.purge()
