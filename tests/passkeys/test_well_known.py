"""The documents below /.well-known, also at the root of a host application."""

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.support.inspect import error_of

from flaskauth import mount


def test_related_origins_are_listed(make_app: MakeApp) -> None:
    app = make_app(WEBAUTHN_ORIGINS="https://example.org, https://a.localhost", WEBAUTHN_RP_ID="localhost")
    response = app.test_client().get("/.well-known/webauthn")

    assert response.get_json() == {"origins": ["https://example.org"]}
    assert response.mimetype == "application/json"


def test_pages_are_named_only_if_they_exist(make_app: MakeApp) -> None:
    client = make_app(PAGES="false").test_client()
    assert client.get("/.well-known/passkey-endpoints").get_json() == {}
    assert error_of(client.get("/.well-known/change-password")) == (404, "not_found")


def test_pages_that_exist_are_named(make_app: MakeApp) -> None:
    client = make_app(PUBLIC_URL="https://auth.example.com").test_client()
    endpoints = client.get("/.well-known/passkey-endpoints").get_json()
    redirect = client.get("/.well-known/change-password")

    assert endpoints == dict.fromkeys(("enroll", "manage"), "https://auth.example.com/account/passkeys")
    assert (redirect.status_code, redirect.location) == (303, "https://auth.example.com/account/password")


@pytest.mark.parametrize("mounts_first", [True, False])
def test_mounted_server_answers_at_the_root_of_the_host(make_app: MakeApp, mounts_first: bool) -> None:
    server = make_app(PUBLIC_URL="http://localhost/accounts", WEBAUTHN_ORIGINS="https://example.org")
    host = Flask("host")
    if mounts_first:
        mount(host, server, "/accounts")
    host.add_url_rule("/.well-known/change-password", "own", lambda: "page of the host")
    if not mounts_first:
        mount(host, server, "/accounts")
    client = host.test_client()

    for path in ("/.well-known/webauthn", "/accounts/.well-known/webauthn"):
        response = client.get(path)
        assert response.get_json() == {"origins": ["https://example.org"]}
        assert "X-Request-ID" in response.headers
    page = "http://localhost/accounts/account/passkeys"
    assert client.get("/.well-known/passkey-endpoints").get_json() == {"enroll": page, "manage": page}
    assert client.get("/.well-known/change-password").text == "page of the host"
