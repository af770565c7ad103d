"""The client IP is the right-most hop of X-Forwarded-For that is no trusted proxy; other headers are ignored."""

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.registration.helpers import GRACE_EMAIL, WRONG_CODE, register, submit_wrong_codes, unused_ip
from tests.support.inspect import error_of, query_all
from tests.support.users import CLIENT_IP, OTHER_IP

from flaskauth.audit.models import AuditEvent
from flaskauth.core.http.request import UNKNOWN_CLIENT, network_of

PROXIES = "127.0.0.1, 10.0.0.0/8, 2001:db8:1::/48"
CLIENT_IP_CASES = [
    ({}, "127.0.0.1"),
    ({"X-Forwarded-For": CLIENT_IP}, CLIENT_IP),
    ({"X-Forwarded-For": f"{OTHER_IP}, {CLIENT_IP}"}, CLIENT_IP),
    ({"X-Forwarded-For": f"{OTHER_IP}, {CLIENT_IP}, 10.1.2.3"}, CLIENT_IP),
    ({"X-Forwarded-For": f"{CLIENT_IP},10.1.2.3 ,\t10.9.9.9"}, CLIENT_IP),
    ({"X-Forwarded-For": f"{CLIENT_IP}:4711"}, CLIENT_IP),
    ({"X-Forwarded-For": f"::ffff:{CLIENT_IP}"}, CLIENT_IP),
    ({"X-Forwarded-For": f"{CLIENT_IP}, ::ffff:10.1.2.3"}, CLIENT_IP),
    ({"X-Forwarded-For": "2001:DB8::1"}, "2001:db8::1"),
    ({"X-Forwarded-For": "[2001:db8::1]:4711, 2001:db8:1::9"}, "2001:db8::1"),
    ({"X-Forwarded-For": "fe80::1%eth0"}, "fe80::1"),
    ({"X-Forwarded-For": "10.1.2.3, 10.1.2.4"}, "10.1.2.3"),
    ({"X-Forwarded-For": f"{CLIENT_IP}, nonsense, 10.1.2.3"}, "10.1.2.3"),
    ({"X-Forwarded-For": f"{CLIENT_IP}, "}, "127.0.0.1"),
    ({"X-Forwarded-For": "unknown"}, "127.0.0.1"),
    ({"X-Forwarded-For": "1.2.3"}, "127.0.0.1"),
    ({"X-Forwarded-For": "' OR 1=1 --"}, "127.0.0.1"),
    ({"X-Forwarded-For": "9" * 5000}, "127.0.0.1"),
    ({"X-Forwarded-For": f"{OTHER_IP}, {CLIENT_IP}, " + ", ".join(["10.0.0.1"] * 500)}, CLIENT_IP),
    (
        {
            "X-Real-IP": CLIENT_IP,
            "Forwarded": f"for={CLIENT_IP}",
            "CF-Connecting-IP": CLIENT_IP,
            "True-Client-IP": CLIENT_IP,
        },
        "127.0.0.1",
    ),
]


def recorded_client_ip(app: Flask, headers: Any = None, **environ: str) -> str:
    """Return the client IP in the audit log for a request with these headers."""
    client = app.test_client()
    response = client.post("/auth/verify", json={"otp": WRONG_CODE}, headers=headers or {}, environ_base=environ)
    assert response.status_code == 401, response.text
    newest_ip = select(AuditEvent.ip).order_by(AuditEvent.id.desc()).limit(1)
    return str(query_all(app, newest_ip)[0])


def test_client_ip_is_the_rightmost_untrusted_hop(make_app: MakeApp) -> None:
    app = make_app(TRUSTED_PROXIES=PROXIES)

    for headers, address in CLIENT_IP_CASES:
        assert recorded_client_ip(app, headers) == address, headers


def test_client_ip_joins_repeated_forwarded_headers(make_app: MakeApp) -> None:
    app = make_app(TRUSTED_PROXIES=PROXIES)

    assert recorded_client_ip(app, [("X-Forwarded-For", CLIENT_IP), ("X-Forwarded-For", "10.1.2.3")]) == CLIENT_IP
    assert recorded_client_ip(app, [("X-Forwarded-For", OTHER_IP), ("X-Forwarded-For", CLIENT_IP)]) == CLIENT_IP


def test_forwarded_for_from_untrusted_peer_is_ignored(make_app: MakeApp) -> None:
    assert recorded_client_ip(make_app(TRUSTED_PROXIES=""), {"X-Forwarded-For": CLIENT_IP}) == "127.0.0.1"
    assert recorded_client_ip(make_app(), {"X-Forwarded-For": CLIENT_IP}, REMOTE_ADDR="127.0.0.2") == "127.0.0.2"
    assert recorded_client_ip(make_app(), {"X-Forwarded-For": CLIENT_IP}, REMOTE_ADDR="::1") == "::1"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(RATE_LIMIT_REGISTER="10/minute")


def test_rate_limit_ignores_spoofed_forwarded_for(make_app: MakeApp) -> None:
    client = make_app(TRUSTED_PROXIES="", RATE_LIMIT_REGISTER="10/minute").test_client()
    statuses = [register(client, at=unused_ip(), password="short").status_code for _ in range(11)]

    assert statuses == [422] * 10 + [429]


def test_rate_limit_behind_trusted_proxy_is_per_client(client: FlaskClient) -> None:
    statuses = [register(client, at=unused_ip(), password="short").status_code for _ in range(11)]

    assert statuses == [422] * 11


def test_rate_limit_ipv6_slash_64_counts_as_one_network(client: FlaskClient) -> None:
    assert submit_wrong_codes(client, 5, "2001:db8:7:7::1", email=GRACE_EMAIL) == [401] * 5
    assert submit_wrong_codes(client, 1, "2001:db8:7:7:ffff::2", email=GRACE_EMAIL) == [429]
    assert submit_wrong_codes(client, 1, "2001:db8:7:8::1", email=GRACE_EMAIL) == [401]


SAME_NETWORK_SPELLINGS: dict[str, Callable[[int], str]] = {
    "extra hop before it": lambda turn: f"{unused_ip()}, {CLIENT_IP}",
    "list of hops": lambda turn: ", ".join([unused_ip() for _ in range(turn + 1)] + [CLIENT_IP]),
    "different port": lambda turn: f"{CLIENT_IP}:{turn + 1024}",
    "IPv4-mapped IPv6": lambda turn: (
        CLIENT_IP,
        f"::ffff:{CLIENT_IP}",
        f"[::FFFF:{CLIENT_IP}]:{turn + 1}",
        f"::ffff:{CLIENT_IP}%{turn}",
    )[turn % 4],
    "trusted proxies after it": lambda turn: ", ".join([CLIENT_IP, *["127.0.0.1"] * turn]),
    "IPv6 host in the same /64": lambda turn: f"2001:db8:9:9:{turn + 1:x}::{turn:x}",
    "IPv6 spelling": lambda turn: ("2001:db8:9:8::1", "2001:0DB8:9:8:0:0:0:1", "[2001:db8:9:8::1]:99")[turn % 3],
    "IPv6 zone": lambda turn: f"2001:db8:9:7::1%eth{turn}",
    "invalid hop": lambda turn: f"{unused_ip()}, hop-{turn}",
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", SAME_NETWORK_SPELLINGS)
def test_rate_limit_ip_spelling_variants_share_one_network(client: FlaskClient, kind: str) -> None:
    """A different spelling of the header resets neither the request limit nor the limit on wrong codes."""
    spelling = SAME_NETWORK_SPELLINGS[kind]
    register_statuses = [register(client, at=spelling(turn), password="short").status_code for turn in range(11)]
    verify_statuses = [submit_wrong_codes(client, 1, spelling(turn), email=GRACE_EMAIL) for turn in range(6)]

    assert register_statuses == [422] * 10 + [429]
    assert verify_statuses == [[401]] * 5 + [[429]]


def test_rate_limit_counts_peer_without_an_address(make_app: MakeApp) -> None:
    client = create_production_app(make_app, RATE_LIMIT_REGISTER="10/minute").test_client()
    environ = {"REMOTE_ADDR": ""}
    statuses = [client.post("/auth/register", data=b"", environ_base=environ).status_code for _ in range(11)]

    assert statuses == [415] * 10 + [429]


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "::2"])
def test_development_mode_remote_client_gets_403(app: Flask, peer: str) -> None:
    client = app.test_client()
    for path in ("/hello", "/dev/mailbox.json", "/nope"):
        response = client.get(path, environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": "127.0.0.1"})
        assert error_of(response) == (403, "forbidden")
        assert "FLASKAUTH_ENV=production" in response.get_json()["message"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_development_mode_loopback_client_is_allowed(app: Flask, peer: str) -> None:
    assert app.test_client().get("/hello", environ_base={"REMOTE_ADDR": peer}).status_code == 200


def test_production_mode_remote_client_is_allowed(make_app: MakeApp) -> None:
    client = create_production_app(make_app).test_client()

    assert client.get("/hello", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def create_production_app(make_app: MakeApp, **settings: str) -> Flask:
    production = {"FLASKAUTH_ENV": "production", "MAIL_SERVER": "127.0.0.1", "PUBLIC_URL": "https://auth.example.com"}
    return make_app(**production, **settings)


@given(st.one_of(st.text(), st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda ip: f"[{ip}]:443")))
@example("\u0661.2.3.4")
@example("1.2.3.4:5:6")
@example("[")
@example("::ffff:1.2.3.4%eth0")
def test_network_of_any_text_is_a_network_or_unknown(text: str) -> None:
    network = network_of(text)

    assert network == UNKNOWN_CLIENT or ipaddress.ip_network(network).prefixlen in {32, 64}
    assert network_of(f" {network.removesuffix('/64')} ") == network
