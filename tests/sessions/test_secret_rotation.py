"""The secret can be changed while people are signed in."""

from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import SECRET, MakeApp
from tests.inside import recorded, refused
from tests.keys.reading import is_signed
from tests.people import HERE, Mailbox, People, code_of, network
from tests.sessions.holding import SIGNED_OUT, Holder

from flaskauth.foundation import clock

NEXT_SECRET = "v8Lw2nQzR5yTs0Xc7Jb4Hd1Gf6Kp9MaE"
CHANGED = {"SECRET_KEY": NEXT_SECRET, "SECRET_KEY_FALLBACKS": SECRET}


def test_tokens_made_under_the_old_secret_stay_good(app: Flask, make_app: MakeApp) -> None:
    holder, after = Holder.of(app), make_app(**CHANGED)
    assert holder.calls(app=after) == 200
    newer = holder.presents(holder.refresh_token, app=after).get_json()["refresh_token"]

    assert holder.presents(holder.refresh_token, app=after).get_json()["refresh_token"] == newer
    assert holder.presents(newer, app=after).status_code == 200


def test_an_old_token_of_the_old_secret_is_noticed(app: Flask, make_app: MakeApp) -> None:
    holder, after = Holder.of(app), make_app(**CHANGED)
    first = holder.refresh_token
    holder.refreshes()
    holder.refreshes()

    assert refused(holder.presents(first, app=after)) == SIGNED_OUT
    assert recorded(after, "refresh_token_reused").session_id == holder.session_id


@pytest.mark.parametrize("door", ["verification_id", "email", "neither"])
def test_a_code_that_was_mailed_before_still_proves(
    people: People, mailbox: Mailbox, make_app: MakeApp, door: str
) -> None:
    verification_id = people.pending()
    proof = {"verification_id": verification_id, "email": "grace@example.com"}
    body = {"otp": mailbox.code("grace@example.com"), **{name: proof[name] for name in proof if name == door}}
    after = make_app(**CHANGED).test_client()

    assert after.post("/auth/verify", json=body, headers=network(HERE)).status_code == 200


def test_a_code_that_is_mailed_again_after_is_the_same(people: People, mailbox: Mailbox, make_app: MakeApp) -> None:
    verification_id = people.pending()
    code, after = mailbox.code("grace@example.com"), make_app(**CHANGED)
    clock.travel(timedelta(minutes=2))
    asked = {"verification_id": verification_id}
    assert after.test_client().post("/auth/resend", json=asked, headers=network(HERE)).status_code == 200

    first, again = Mailbox(after).wait(2)
    assert [code_of(first), code_of(again)] == [code, code]
    alone = after.test_client().post("/auth/verify", json={"otp": code_of(again)}, headers=network(HERE))
    assert alone.status_code == 200


def test_once_the_old_secret_is_gone_its_tokens_are_too(app: Flask, make_app: MakeApp) -> None:
    holder = Holder.of(app)
    newer = holder.presents(holder.refresh_token, app=make_app(**CHANGED)).get_json()["refresh_token"]
    at_last = make_app(SECRET_KEY=NEXT_SECRET)

    assert refused(holder.presents(holder.refresh_token, app=at_last)) == SIGNED_OUT
    assert holder.presents(newer, app=at_last).status_code == 200


def test_signing_keys_are_sealed_again(app: Flask, make_app: MakeApp) -> None:
    holder = Holder.of(app)
    make_app(**CHANGED)
    at_last = make_app(SECRET_KEY=NEXT_SECRET)

    assert holder.calls(app=at_last) == 200
    assert is_signed(holder.token, at_last.test_client().get("/.well-known/jwks.json").get_json())
