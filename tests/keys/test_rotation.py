"""Signing keys come and go by themselves, and no process is left behind."""

from datetime import timedelta
from functools import partial

import click
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import delete, select, update
from tests.conftest import SECRET, MakeApp
from tests.inside import change, events, refused, rows, statements, together, within
from tests.keys.forging import joined, with_ecdsa
from tests.keys.reading import claims, encode, header, is_signed
from tests.keys.test_access_tokens import public_keys
from tests.people import People, bearer
from tests.sessions.holding import Holder

from flaskauth.foundation import clock, crypto, jobs
from flaskauth.keys import service
from flaskauth.keys.models import SigningKey
from flaskauth.keys.ring import SEAL

MONTH = timedelta(days=30)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def holder(app: Flask) -> Holder:
    """Somebody who is signed in, on a server whose keys are seen to when a test says so."""
    holder = Holder.of(app)
    app.extensions[jobs.KEY].stop()
    return holder


def maintain(app: Flask) -> None:
    with app.app_context():
        service.maintain()


def rotate(app: Flask, *, at_once: bool = False) -> str:
    with app.app_context():
        return service.rotate(at_once=at_once)


def kids(app: Flask) -> list[str]:
    return [key["kid"] for key in public_keys(app)["keys"]]


def kid(token: str) -> str:
    return str(header(token)["kid"])


def test_the_first_key_is_used_at_once(holder: Holder, app: Flask) -> None:
    assert kids(app) == [kid(holder.token)]
    assert [event.details for event in events(app, "signing_key_made")] == [{"kid": kid(holder.token)}]


def test_a_successor_is_public_for_an_hour_before_it_signs(holder: Holder, app: Flask) -> None:
    [first] = kids(app)
    clock.travel(MONTH - HOUR - MINUTE)
    maintain(app)
    assert kids(app) == [first]

    clock.travel(MINUTE * 2)
    maintain(app)
    [_, second] = kids(app)
    clock.travel(HOUR - MINUTE)
    assert kid(sign_in(holder)) == first
    clock.travel(MINUTE)
    assert kid(sign_in(holder)) == second


def sign_in(holder: Holder) -> str:
    body = {"email": holder.tokens["user"]["email"], "password": "seven green kettles"}
    holder.tokens = holder.client.post("/auth/login", json=body).get_json()
    return holder.token


def test_the_old_key_verifies_until_its_last_token_ended_and_is_then_deleted(holder: Holder, app: Flask) -> None:
    clock.travel(MONTH - HOUR)
    maintain(app)
    [first, second] = kids(app)
    clock.travel(HOUR - timedelta(seconds=5))
    last = sign_in(holder)
    assert kid(last) == first

    clock.travel(timedelta(minutes=9))
    maintain(app)
    assert holder.calls(last) == 200
    assert is_signed(last, public_keys(app))
    clock.travel(timedelta(minutes=2))
    maintain(app)
    assert kids(app) == [second]
    assert len(rows(app, select(SigningKey))) == 1


def test_a_key_that_is_overdue_signs_until_its_successors_hour_is_over(holder: Holder, app: Flask) -> None:
    [first] = kids(app)
    clock.travel(MONTH * 3)
    assert kid(sign_in(holder)) == first
    maintain(app)
    assert (kid(sign_in(holder)), len(kids(app))) == (first, 2)

    clock.travel(HOUR)
    assert kid(sign_in(holder)) == kids(app)[1]


def test_every_process_has_read_a_successor_before_it_signs(holder: Holder, app: Flask, make_app: MakeApp) -> None:
    other = make_app()
    made = rotate(app)
    assert made not in kids(other)
    clock.travel(MINUTE)

    assert kids(other) == kids(app)
    assert kids(app)[1] == made


def test_after_a_leak_the_new_key_signs_and_the_old_ones_are_refused(holder: Holder, app: Flask) -> None:
    leaked = holder.token
    assert holder.calls(leaked) == 200  # so that this process remembers it
    rotate(app)
    made = rotate(app, at_once=True)

    assert kids(app) == [made]
    assert holder.calls(leaked) == 401
    assert kid(sign_in(holder)) == made
    assert [event.details for event in events(app, "signing_keys_dropped")] == [{"dropped": 2}]


def test_after_a_leak_other_processes_refuse_the_old_key_within_a_minute(
    holder: Holder, app: Flask, make_app: MakeApp
) -> None:
    """A process that only verifies looks again too."""
    other = make_app()
    assert holder.calls(app=other) == 200
    rotate(app, at_once=True)
    clock.travel(MINUTE)

    assert holder.calls(app=other) == 401


def test_a_new_key_is_looked_up_but_not_at_every_request_that_invents_one(
    holder: Holder, app: Flask, make_app: MakeApp
) -> None:
    other = make_app()
    rotate(app, at_once=True)
    token = sign_in(holder)
    clock.travel(timedelta(seconds=10))
    assert holder.calls(token, app=other) == 200

    assert looks(other, token) == 0
    clock.travel(timedelta(seconds=10))
    assert looks(other, token) == 1


def looks(app: Flask, token: str) -> int:
    """How often the keys are read while somebody invents key ids."""
    with statements(app) as told:
        for number in range(20):
            invented = joined(header(token) | {"kid": encode(bytes([number] * 32))}, claims(token))
            answer = app.test_client().get("/users/profile", headers=bearer(with_ecdsa(invented, stranger())))
            assert refused(answer) == (401, "invalid_token")
    return len([statement for statement in told if "signing_keys" in statement])


def stranger() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def test_two_processes_that_race_for_the_first_key_agree(app: Flask, make_app: MakeApp) -> None:
    apps = [app, make_app(), make_app()]
    app.test_client().get("/hello")
    change(app, delete(SigningKey))
    together([partial(maintain, each) for each in apps])

    assert len(rows(app, select(SigningKey))) == 1
    clock.travel(MINUTE)
    assert kids(apps[0]) == kids(apps[1]) == kids(apps[2])


def test_two_processes_that_race_for_the_next_key_agree(holder: Holder, app: Flask, make_app: MakeApp) -> None:
    apps = [app, make_app(), make_app()]
    clock.travel(MONTH)
    together([partial(maintain, each) for each in apps])

    assert [row.ordinal for row in rows(app, select(SigningKey))] == [1, 2]
    assert kids(apps[0]) == kids(apps[1]) == kids(apps[2])


def test_a_process_with_another_secret_does_not_start_and_makes_no_key(holder: Holder, make_app: MakeApp) -> None:
    with pytest.raises(click.ClickException, match="SECRET_KEY_FALLBACKS"):
        make_app(SECRET_KEY="q0Zx8Wc6Ve4Br2Nt1My3Lu5Ki7Jo9HpA")

    assert len(rows(holder.client.application, select(SigningKey))) == 1
    assert holder.calls() == 200


def test_nothing_starts_on_a_key_that_was_altered(holder: Holder, app: Flask, make_app: MakeApp) -> None:
    """A sealed key is bound to its id: one stored under another id is not opened."""
    [row] = rows(app, select(SigningKey))
    change(app, update(SigningKey).values(kid=encode(bytes(32))))
    with pytest.raises(click.ClickException):
        make_app()
    change(app, update(SigningKey).values(kid=row.kid, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])))
    with pytest.raises(click.ClickException):
        make_app()

    assert holder.calls() == 200


def test_what_a_fallback_opened_is_sealed_again(holder: Holder, app: Flask, make_app: MakeApp) -> None:
    after = make_app(SECRET_KEY="q0Zx8Wc6Ve4Br2Nt1My3Lu5Ki7Jo9HpA", SECRET_KEY_FALLBACKS=SECRET)
    [row] = rows(after, select(SigningKey))
    _, by_the_secret_in_use = within(after, lambda: crypto.unseal(SEAL, row.sealed, row.kid.encode()))

    assert by_the_secret_in_use
    assert holder.calls(app=after) == 200


def test_a_lost_secret_is_answered_by_a_new_key(holder: Holder, app: Flask) -> None:
    change(app, update(SigningKey).values(sealed=b"unreadable"))
    with app.app_context():
        made = service.reset()

    assert kids(app) == [made]
    assert holder.calls() == 401


def test_a_key_that_cannot_be_read_any_more_stays_in_memory(holder: Holder, app: Flask) -> None:
    """While another process changes the secret, this one goes on with what it knows."""
    change(app, update(SigningKey).values(sealed=b"unreadable"))
    clock.travel(MINUTE * 2)

    assert holder.calls() == 200
    assert refused(holder.client.get("/users/profile")) == (401, "invalid_token")
    assert kid(sign_in(holder)) == kid(sign_in(holder))


def test_tokens_of_somebody_elses_server_are_refused(app: Flask, people: People) -> None:
    token = people.joined().signed_in()["token"]
    elsewhere = with_ecdsa(joined(header(token), claims(token)), stranger())

    assert people.client.get("/users/profile", headers={"Authorization": f"Bearer {elsewhere}"}).status_code == 401
