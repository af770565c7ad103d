"""A forged refresh token is rejected and revokes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.sessions.helpers import INVALID_REFRESH_TOKEN, SessionClient
from tests.signing_keys.helpers import decode, encode
from tests.support.inspect import audit_events, error_of
from tests.support.users import Mailbox

ForgeFunction = Callable[[int, int, str, str], str]


def flip_bit(mac: str) -> str:
    raw = decode(mac)
    return encode(bytes([raw[0] ^ 1, *raw[1:]]))


FORGERIES: dict[str, ForgeFunction] = {
    "a MAC with one bit flipped": lambda sid, gen, mac, _: f"{sid}.{gen}.{flip_bit(mac)}",
    "a MAC in swapped case": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac.swapcase()}",
    "half a MAC": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac[:22]}",
    "no MAC": lambda sid, gen, mac, _: f"{sid}.{gen}.",
    "a MAC twice": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}{mac}",
    "a padded MAC": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}=",
    "the MAC of a different session": lambda sid, gen, _, other: f"{sid}.{gen}.{other}",
    "the next generation": lambda sid, gen, mac, _: f"{sid}.{gen + 1}.{mac}",
    "an earlier generation": lambda sid, gen, mac, _: f"{sid}.{gen - 1}.{mac}",
    "generation zero": lambda sid, gen, mac, _: f"{sid}.0.{mac}",
    "a generation with a plus sign": lambda sid, gen, mac, _: f"{sid}.+{gen}.{mac}",
    "a generation with a leading zero": lambda sid, gen, mac, _: f"{sid}.0{gen}.{mac}",
    "a generation in other digits": lambda sid, gen, mac, _: f"{sid}.{chr(0x660 + gen)}.{mac}",
    "the next session": lambda sid, gen, mac, _: f"{sid + 1}.{gen}.{mac}",
    "a session out of range": lambda sid, gen, mac, _: f"{10**30}.{gen}.{mac}",
    "a negative session": lambda sid, gen, mac, _: f"-{sid}.{gen}.{mac}",
    "white space before": lambda sid, gen, mac, _: f" {sid}.{gen}.{mac}",
    "a trailing newline": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}\n",
    "four parts": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}.{mac}",
    "one part": lambda sid, *_: str(sid),
    "dots": lambda *_: "..",
    "words": lambda *_: "not a token",
    "an SQL injection": lambda sid, gen, mac, _: f"{sid}' OR '1'='1.{gen}.{mac}",
}


def test_forged_refresh_token_has_no_effect(app: Flask, mailbox: Mailbox) -> None:
    session, other = SessionClient.for_new_user(app), SessionClient.for_new_user(app, "ada@example.com")
    for _ in range(2):
        session.refresh()
    [_, generation, mac] = session.refresh_token.split(".")
    before = len(mailbox.wait(2))

    for name, forge in FORGERIES.items():
        forged = forge(session.session_id, int(generation), mac, other.refresh_token.split(".")[2])
        assert error_of(session.post_refresh(forged)) == INVALID_REFRESH_TOKEN, name
        assert session.client.post("/auth/logout", json={"refresh_token": forged}).status_code == 200, name

    assert not audit_events(app, "refresh_token_reused")
    assert not audit_events(app, "signed_out")
    assert len(mailbox.all()) == before
    assert session.refresh()
    assert other.refresh()


def test_refresh_token_of_unknown_secret_is_rejected(app: Flask, make_app: MakeApp) -> None:
    session = SessionClient.for_new_user(app)
    other_app = make_app(
        SECRET_KEY="another secret, which is not known!", SECRET_KEY_FALLBACKS=app.config["SECRET_KEY"]
    )
    foreign_token = session.post_refresh(session.refresh_token, app=other_app).get_json()["refresh_token"]

    assert error_of(session.post_refresh(foreign_token)) == INVALID_REFRESH_TOKEN


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("token", [0, 1, True, None, [], {}, ["1.1.x"], "", "x" * 513, "\x00"])
def test_malformed_refresh_token_is_rejected(app: Flask, token: Any) -> None:
    for path in ("/auth/refresh", "/auth/logout"):
        response = app.test_client().post(path, json={"refresh_token": token})
        assert error_of(response) == (422, "validation_failed")
        assert list(response.get_json()["errors"]) == ["refresh_token"]
