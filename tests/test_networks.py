"""Whose address counts: the right-most hop that is not a proxy of ours, and nobody's word but our proxies'."""

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
from tests.inside import refused, rows
from tests.people import HERE, THERE
from tests.registration.asking import GRACE_AT, NOT_IT, elsewhere, register, wrong_tries

from flaskauth.audit.models import AuditEvent
from flaskauth.foundation.http import NOBODY, network_of

PROXIES = "127.0.0.1, 10.0.0.0/8, 2001:db8:1::/48"
SEEN = [
    ({}, "127.0.0.1"),
    ({"X-Forwarded-For": HERE}, HERE),
    ({"X-Forwarded-For": f"{THERE}, {HERE}"}, HERE),
    ({"X-Forwarded-For": f"{THERE}, {HERE}, 10.1.2.3"}, HERE),
    ({"X-Forwarded-For": f"{HERE},10.1.2.3 ,\t10.9.9.9"}, HERE),
    ({"X-Forwarded-For": f"{HERE}:4711"}, HERE),
    ({"X-Forwarded-For": f"::ffff:{HERE}"}, HERE),
    ({"X-Forwarded-For": f"{HERE}, ::ffff:10.1.2.3"}, HERE),
    ({"X-Forwarded-For": "2001:DB8::1"}, "2001:db8::1"),
    ({"X-Forwarded-For": "[2001:db8::1]:4711, 2001:db8:1::9"}, "2001:db8::1"),
    ({"X-Forwarded-For": "fe80::1%eth0"}, "fe80::1"),
    ({"X-Forwarded-For": "10.1.2.3, 10.1.2.4"}, "10.1.2.3"),
    ({"X-Forwarded-For": f"{HERE}, nonsense, 10.1.2.3"}, "10.1.2.3"),
    ({"X-Forwarded-For": f"{HERE}, "}, "127.0.0.1"),
    ({"X-Forwarded-For": "unknown"}, "127.0.0.1"),
    ({"X-Forwarded-For": "1.2.3"}, "127.0.0.1"),
    ({"X-Forwarded-For": "' OR 1=1 --"}, "127.0.0.1"),
    ({"X-Forwarded-For": "9" * 5000}, "127.0.0.1"),
    ({"X-Forwarded-For": f"{THERE}, {HERE}, " + ", ".join(["10.0.0.1"] * 500)}, HERE),
    ({"X-Real-IP": HERE, "Forwarded": f"for={HERE}", "CF-Connecting-IP": HERE, "True-Client-IP": HERE}, "127.0.0.1"),
]


def seen(app: Flask, headers: Any = None, **environ: str) -> str:
    """The address that the trail names for a request."""
    client = app.test_client()
    answer = client.post("/auth/verify", json={"otp": NOT_IT}, headers=headers or {}, environ_base=environ)
    assert answer.status_code == 401, answer.text
    newest = select(AuditEvent.ip).order_by(AuditEvent.id.desc()).limit(1)
    return str(rows(app, newest)[0])


def test_it_is_the_right_most_hop_that_is_no_proxy_of_ours(make_app: MakeApp) -> None:
    app = make_app(TRUSTED_PROXIES=PROXIES)

    for headers, address in SEEN:
        assert seen(app, headers) == address, headers


def test_lines_of_one_header_are_one_list(make_app: MakeApp) -> None:
    app = make_app(TRUSTED_PROXIES=PROXIES)

    assert seen(app, [("X-Forwarded-For", HERE), ("X-Forwarded-For", "10.1.2.3")]) == HERE
    assert seen(app, [("X-Forwarded-For", THERE), ("X-Forwarded-For", HERE)]) == HERE


def test_nobody_else_is_believed(make_app: MakeApp) -> None:
    assert seen(make_app(TRUSTED_PROXIES=""), {"X-Forwarded-For": HERE}) == "127.0.0.1"
    assert seen(make_app(), {"X-Forwarded-For": HERE}, REMOTE_ADDR="127.0.0.2") == "127.0.0.2"
    assert seen(make_app(), {"X-Forwarded-For": HERE}, REMOTE_ADDR="::1") == "::1"


def test_who_invents_addresses_stays_one_network(make_app: MakeApp) -> None:
    client = make_app(TRUSTED_PROXIES="").test_client()
    statuses = [register(client, at=elsewhere(), password="short").status_code for _ in range(11)]

    assert statuses == [422] * 10 + [429]


def test_behind_a_proxy_each_is_a_network_of_its_own(client: FlaskClient) -> None:
    statuses = [register(client, at=elsewhere(), password="short").status_code for _ in range(11)]

    assert statuses == [422] * 11


def test_the_addresses_of_one_64_are_one_network(client: FlaskClient) -> None:
    assert wrong_tries(client, 5, "2001:db8:7:7::1", email=GRACE_AT) == [401] * 5
    assert wrong_tries(client, 1, "2001:db8:7:7:ffff::2", email=GRACE_AT) == [429]
    assert wrong_tries(client, 1, "2001:db8:7:8::1", email=GRACE_AT) == [401]


OF_ONE_NETWORK: dict[str, Callable[[int], str]] = {
    "another hop before it": lambda turn: f"{elsewhere()}, {HERE}",
    "a list of them": lambda turn: ", ".join([elsewhere() for _ in range(turn + 1)] + [HERE]),
    "another port": lambda turn: f"{HERE}:{turn + 1024}",
    "IPv6's clothes": lambda turn: (HERE, f"::ffff:{HERE}", f"[::FFFF:{HERE}]:{turn + 1}", f"::ffff:{HERE}%{turn}")[
        turn % 4
    ],
    "the proxies behind it": lambda turn: ", ".join([HERE, *["127.0.0.1"] * turn]),
    "an IPv6 host": lambda turn: f"2001:db8:9:9:{turn + 1:x}::{turn:x}",
    "an IPv6 spelling": lambda turn: ("2001:db8:9:8::1", "2001:0DB8:9:8:0:0:0:1", "[2001:db8:9:8::1]:99")[turn % 3],
    "a zone": lambda turn: f"2001:db8:9:7::1%eth{turn}",
    "nonsense": lambda turn: f"{elsewhere()}, hop-{turn}",
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", OF_ONE_NETWORK)
def test_no_spelling_makes_another_network(client: FlaskClient, kind: str) -> None:
    """Neither the limit of requests nor a budget of guesses is had anew by writing the header otherwise."""
    spelled = OF_ONE_NETWORK[kind]
    registered = [register(client, at=spelled(turn), password="short").status_code for turn in range(11)]
    guessed = [wrong_tries(client, 1, spelled(turn), email=GRACE_AT) for turn in range(6)]

    assert registered == [422] * 10 + [429]
    assert guessed == [[401]] * 5 + [[429]]


def test_a_peer_without_an_address_is_counted_too(make_app: MakeApp) -> None:
    client = production(make_app).test_client()
    environ = {"REMOTE_ADDR": ""}
    statuses = [client.post("/auth/register", data=b"", environ_base=environ).status_code for _ in range(11)]

    assert statuses == [415] * 10 + [429]


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "::2"])
def test_development_is_for_this_machine_only(app: Flask, peer: str) -> None:
    client = app.test_client()
    for path in ("/hello", "/dev/mailbox.json", "/nope"):
        answer = client.get(path, environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": "127.0.0.1"})
        assert refused(answer) == (403, "forbidden")
        assert "FLASKAUTH_ENV=production" in answer.get_json()["message"]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_let_in(app: Flask, peer: str) -> None:
    assert app.test_client().get("/hello", environ_base={"REMOTE_ADDR": peer}).status_code == 200


def test_production_is_for_everybody(make_app: MakeApp) -> None:
    client = production(make_app).test_client()

    assert client.get("/hello", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def production(make_app: MakeApp) -> Flask:
    return make_app(FLASKAUTH_ENV="production", MAIL_SERVER="127.0.0.1", PUBLIC_URL="https://auth.example.com")


@given(st.one_of(st.text(), st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda ip: f"[{ip}]:443")))
@example("\u0661.2.3.4")
@example("1.2.3.4:5:6")
@example("[")
@example("::ffff:1.2.3.4%eth0")
def test_any_text_is_one_network_or_nobody(text: str) -> None:
    network = network_of(text)

    assert network == NOBODY or ipaddress.ip_network(network).prefixlen in {32, 64}
    assert network_of(f" {network.removesuffix('/64')} ") == network
