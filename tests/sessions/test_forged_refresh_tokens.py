"""A refresh token that was not made here opens nothing and ends nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.inside import events, refused
from tests.keys.reading import decode, encode
from tests.people import Mailbox
from tests.sessions.holding import SIGNED_OUT, Holder

Forge = Callable[[int, int, str, str], str]


def flipped(mac: str) -> str:
    raw = decode(mac)
    return encode(bytes([raw[0] ^ 1, *raw[1:]]))


FORGERIES: dict[str, Forge] = {
    "a MAC that is off by a bit": lambda sid, gen, mac, _: f"{sid}.{gen}.{flipped(mac)}",
    "a MAC in other letters": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac.swapcase()}",
    "half a MAC": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac[:22]}",
    "no MAC": lambda sid, gen, mac, _: f"{sid}.{gen}.",
    "a MAC and more": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}{mac}",
    "a padded MAC": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}=",
    "the MAC of another session": lambda sid, gen, _, other: f"{sid}.{gen}.{other}",
    "the next generation": lambda sid, gen, mac, _: f"{sid}.{gen + 1}.{mac}",
    "an earlier generation": lambda sid, gen, mac, _: f"{sid}.{gen - 1}.{mac}",
    "generation zero": lambda sid, gen, mac, _: f"{sid}.0.{mac}",
    "a signed generation": lambda sid, gen, mac, _: f"{sid}.+{gen}.{mac}",
    "a generation with a zero": lambda sid, gen, mac, _: f"{sid}.0{gen}.{mac}",
    "a generation in other digits": lambda sid, gen, mac, _: f"{sid}.{chr(0x660 + gen)}.{mac}",
    "the next session": lambda sid, gen, mac, _: f"{sid + 1}.{gen}.{mac}",
    "a session beyond all numbers": lambda sid, gen, mac, _: f"{10**30}.{gen}.{mac}",
    "a session below zero": lambda sid, gen, mac, _: f"-{sid}.{gen}.{mac}",
    "white space before": lambda sid, gen, mac, _: f" {sid}.{gen}.{mac}",
    "a line after": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}\n",
    "four parts": lambda sid, gen, mac, _: f"{sid}.{gen}.{mac}.{mac}",
    "one part": lambda sid, *_: str(sid),
    "dots": lambda *_: "..",
    "words": lambda *_: "not a token",
    "a statement": lambda sid, gen, mac, _: f"{sid}' OR '1'='1.{gen}.{mac}",
}


def test_a_forged_token_touches_nothing(app: Flask, mailbox: Mailbox) -> None:
    holder, other = Holder.of(app), Holder.of(app, "ada@example.com")
    for _ in range(2):
        holder.refreshes()
    [_, generation, mac] = holder.refresh_token.split(".")
    before = len(mailbox.wait(2))

    for name, forge in FORGERIES.items():
        forged = forge(holder.session_id, int(generation), mac, other.refresh_token.split(".")[2])
        assert refused(holder.presents(forged)) == SIGNED_OUT, name
        assert holder.client.post("/auth/logout", json={"refresh_token": forged}).status_code == 200, name

    assert not events(app, "refresh_token_reused")
    assert not events(app, "signed_out")
    assert len(mailbox.all()) == before
    assert holder.refreshes()
    assert other.refreshes()


def test_a_token_made_under_another_secret_is_forged(app: Flask, make_app: MakeApp) -> None:
    holder = Holder.of(app)
    elsewhere = make_app(SECRET_KEY="another secret, that nobody knows!", SECRET_KEY_FALLBACKS=app.config["SECRET_KEY"])
    newer = holder.presents(holder.refresh_token, app=elsewhere).get_json()["refresh_token"]

    assert refused(holder.presents(newer)) == SIGNED_OUT


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("token", [0, 1, True, None, [], {}, ["1.1.x"], "", "x" * 513, "\x00"])
def test_what_is_no_text_is_refused_by_name(app: Flask, token: Any) -> None:
    for path in ("/auth/refresh", "/auth/logout"):
        answer = app.test_client().post(path, json={"refresh_token": token})
        assert refused(answer) == (422, "invalid_input")
        assert list(answer.get_json()["errors"]) == ["refresh_token"]
