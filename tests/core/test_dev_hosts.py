"""FLASKAUTH_DEV_HOSTS: addresses besides loopback ones that may use a development server."""

import json
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.docs.code_blocks import block
from tests.support.inspect import error_of
from tests.support.log_capture import LogCapture
from tests.support.rsgi import profile_request, rsgi_client
from tests.support.users import UserFactory

from flaskauth.settings import Settings

DOCKER, PHONE, OUTSIDER = "172.17.0.1", "192.168.1.20", "192.0.2.1"
DEV_HOSTS = "172.16.0.0/12, 192.168.1.20, fd00::/8"


@pytest.fixture
def dev_app(make_app: MakeApp) -> Flask:
    return make_app(FLASKAUTH_DEV_HOSTS=DEV_HOSTS, TRUSTED_PROXIES="")


def status(app: Flask, path: str, peer: str, **headers: str) -> int:
    return app.test_client().get(path, environ_base={"REMOTE_ADDR": peer}, headers=headers).status_code


@pytest.mark.parametrize("peer", [DOCKER, PHONE, "::ffff:172.17.0.1", "fd00::1", "127.0.0.1", "::1"])
def test_dev_host_can_use_the_development_server(dev_app: Flask, peer: str) -> None:
    assert status(dev_app, "/hello", peer) == 200


@pytest.mark.parametrize("peer", [OUTSIDER, "192.168.1.21", "172.32.0.1", "2001:db8::1", ""])
def test_client_outside_dev_hosts_gets_403_naming_them(dev_app: Flask, peer: str) -> None:
    response = dev_app.test_client().get(
        "/hello", environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": DOCKER, "Accept": "*/*"}
    )

    assert error_of(response) == (403, "forbidden")
    assert "FLASKAUTH_DEV_HOSTS" in response.get_json()["message"]


def test_dev_host_uses_the_fast_path_like_loopback(dev_app: Flask) -> None:
    token = UserFactory(dev_app).create_verified().login_ok()["token"]
    with rsgi_client(dev_app) as rsgi:
        responses = [rsgi.send(profile_request(token, client=f"{peer}:1")) for peer in (PHONE, OUTSIDER)]

    assert [(response.status, response.is_by_flask) for response in responses] == [(200, False), (403, True)]


@pytest.mark.parametrize(
    "host", ["localhost:5000", "127.0.0.1", "192.168.1.5:5000", "[fd00::5]:5000", "dev.example.com"]
)
def test_dev_host_can_read_the_mailbox(make_app: MakeApp, host: str) -> None:
    app = make_app(FLASKAUTH_DEV_HOSTS=DEV_HOSTS, PUBLIC_URL="http://dev.example.com")

    assert status(app, "/dev/mailbox.json", PHONE, Host=host) == 200


def test_mailbox_is_hidden_from_rebinding_and_proxies(dev_app: Flask) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "localhost", "Via": "1.1 p"},
    ):
        assert status(dev_app, "/dev/mailbox.json", PHONE, **headers) == 404, headers


def test_mailbox_without_dev_hosts_needs_a_loopback_host(app: Flask) -> None:
    assert status(app, "/dev/mailbox.json", "127.0.0.1", Host="192.168.1.5:5000") == 404


def test_dev_hosts_setting_is_warned_about_at_start(make_app: MakeApp) -> None:
    with redirect_stderr(LogCapture()) as log_capture:
        make_app(FLASKAUTH_DEV_HOSTS=DEV_HOSTS)

    assert "FLASKAUTH_DEV_HOSTS: 172.16.0.0/12" in json.dumps(log_capture.events_named("configuration_warning"))


def test_documented_dev_hosts_setting_is_valid(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(block("docs/tutorials/getting-started.md", "devhosts"))

    assert len(Settings.load({"SECRET_KEY": "x"}, dotenv).flaskauth_dev_hosts) == 2


def test_dev_hosts_setting_rejects_other_text() -> None:
    _, errors = Settings.load_with_errors({"FLASKAUTH_DEV_HOSTS": "my-phone"}, Path("no.env"))

    assert errors == ["FLASKAUTH_DEV_HOSTS: must be IP addresses or networks, such as 127.0.0.1, 10.0.0.0/8"]
