"""A browser that opens the hosted pages and submits their forms, without scripts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Flask
from tests.support.users import CLIENT_IP, PASSWORD, UserFactory
from werkzeug.test import TestResponse

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
EMAIL = "grace@example.com"


@dataclass
class Browser:
    """A test client with cookies. `page` is the newest response."""

    app: Flask
    network: str = CLIENT_IP
    page: TestResponse = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def open(self, path: str) -> TestResponse:
        """Open a page, and follow redirects."""
        self.page = self.client.get(path, headers={"X-Forwarded-For": self.network})
        return self._follow()

    def post(self, path: str, **data: object) -> TestResponse:
        """Submit a form, and return the response without following a redirect."""
        return self.send(path, SAME_ORIGIN, data)

    def send(self, path: str, headers: Mapping[str, str], data: Mapping[str, object]) -> TestResponse:
        """Submit a form with these headers, which show where it comes from."""
        self.page = self.client.post(path, data=data, headers={"X-Forwarded-For": self.network, **headers})
        return self.page

    def submit(self, path: str, **data: object) -> TestResponse:
        """Submit a form, and follow redirects."""
        self.post(path, **data)
        return self._follow()

    def sign_in(self, password: str = PASSWORD, **data: str) -> TestResponse:
        return self.post("/sign-in", email=EMAIL, password=password, **data)

    def cookie(self, name: str) -> str:
        """Return the value of a cookie, or "" if there is none."""
        cookie = self.client.get_cookie(name)
        return cookie.value if cookie else ""

    def title(self) -> str:
        match = re.search(r"<h1[^>]*>(.*?)</h1>", self.page.text)
        assert match, self.page.text
        return match[1]

    def _follow(self) -> TestResponse:
        for _ in range(5):
            if self.page.status_code != 303:
                return self.page
            self.page = self.client.get(self.page.headers["Location"], headers={"X-Forwarded-For": self.network})
        raise AssertionError("more than 5 redirects")


def signed_in(app: Flask) -> Browser:
    """Return a browser with the session of a new user."""
    UserFactory(app).create_verified()
    browser = Browser(app)
    assert browser.sign_in().status_code == 303
    return browser
