"""Who is signed in gets another address by proving it; the old one is told and can take it back."""

import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.email_change.asking import NEW_AT, Change, ask, moved, prove, signs_in
from tests.inside import change, events, recorded, refused, rows, together, within
from tests.people import HERE, THERE, Mailbox, People, bearer
from tests.registration.asking import GRACE_AT, NOT_IT, WRONG, attempt, elsewhere, register, verify
from tests.registration.states import Watch
from tests.sessions.holding import Holder
from tests.tables import counts, mails_sent, settle, written
from werkzeug.test import TestResponse

from flaskauth.accounts.addresses import parse
from flaskauth.accounts.models import AddressChange, User
from flaskauth.app import purge
from flaskauth.foundation import clock
from flaskauth.throttles import service as throttles
from flaskauth.users import service as users

DENIED = (403, "reauthentication_required")


def test_the_new_address_signs_in_and_the_old_one_does_not(app: Flask, people: People) -> None:
    change = Change.asked(app, Holder.of(app))
    assert (signs_in(people, GRACE_AT), signs_in(people, NEW_AT)) == (200, 401)
    answer = change.proven()

    assert answer.get_json()["user"]["email"] == NEW_AT
    assert (signs_in(people, GRACE_AT), signs_in(people, NEW_AT)) == (401, 200)
    session = change.holder.session_id
    assert recorded(app, "address_changed").session_id == session
    assert recorded(app, "address_change_requested").user_id == answer.get_json()["user"]["id"]


def test_until_it_is_proven_nothing_changes(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    Change.asked(app, holder)

    profile = people.client.get("/users/profile", headers=bearer(holder.token)).get_json()["user"]
    assert profile["email"] == GRACE_AT


def test_only_a_fresh_token_may_ask(app: Flask) -> None:
    holder = Holder.of(app)
    holder.refreshes()

    assert refused(ask(holder.client, holder.token)) == DENIED


def test_the_old_address_is_told_at_once_and_once_more_when_it_is_done(app: Flask, mailbox: Mailbox) -> None:
    change = moved(app)
    settle(app)
    first, second = reversed([mail for mail in mailbox.all() if change.undo.token in mail["text"]])

    assert (first["to"], second["to"]) == (GRACE_AT, GRACE_AT)
    assert (first["subject"], second["subject"]) == (
        "Your account on flaskauth is to get another address",
        "Your account on flaskauth has another address",
    )
    for mail in (first, second):
        assert NEW_AT in mail["text"]
        assert HERE in mail["text"]


def test_other_sessions_end_and_this_one_goes_on(app: Flask, people: People) -> None:
    mine = Holder.of(app)
    other = Holder(people.client, people.client.post("/auth/login", json=grace()).get_json())
    assert Change.asked(app, mine).proven().status_code == 200

    assert other.is_over()
    assert mine.calls() == 200
    mine.refreshes()


def grace() -> dict[str, str]:
    return {"email": GRACE_AT, "password": "seven green kettles"}


def test_codes_that_wait_at_either_address_open_nothing(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    waiting = attempt(people, NEW_AT, at=THERE)
    reset_id = people.client.post("/auth/forgot-password", json={"email": GRACE_AT}).get_json()["reset_id"]
    code = people.mailbox.code(GRACE_AT)
    assert Change.asked(app, holder).proven().status_code == 200

    assert refused(verify(people.client, waiting.code, **waiting.door("by id"))) == WRONG
    body = {"otp": code, "reset_id": reset_id, "password": "nine purple umbrellas"}
    assert refused(people.client.post("/auth/reset-password", json=body)) == WRONG


def test_attempts_at_the_new_address_are_mailed_no_more(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    waiting = attempt(people, NEW_AT, at=THERE)
    assert Change.asked(app, holder).proven().status_code == 200
    clock.travel(timedelta(seconds=60))
    before = mails_sent(app)
    people.client.post("/auth/resend", json={"verification_id": waiting.id})

    assert mails_sent(app) == before


def test_five_wrong_codes_end_the_change(app: Flask) -> None:
    change = Change.asked(app, Holder.of(app))
    client, token = change.holder.client, change.holder.token
    statuses = [prove(client, token, NOT_IT).status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    assert change.proven().status_code == 429
    assert {event.details["purpose"] for event in events(app, "wrong_code")} == {"email"}


def test_a_code_is_good_once_for_ten_minutes_and_for_its_owner(app: Flask) -> None:
    change = Change.asked(app, Holder.of(app))
    stranger = Holder.of(app, "ada@example.com")
    assert refused(prove(stranger.client, stranger.token, change.code)) == WRONG
    assert change.proven().status_code == 200
    assert refused(change.proven()) == WRONG


def test_a_code_expires(app: Flask) -> None:
    change = Change.asked(app, Holder.of(app))
    change.holder.tokens["token"] = renewed(change.holder)

    assert refused(change.proven()) == WRONG


def renewed(holder: Holder) -> str:
    """An access token after ten minutes."""
    clock.travel(timedelta(minutes=10, seconds=1))
    holder.refreshes()
    return holder.token


def test_only_the_newest_is_good_and_only_for_its_own_address(app: Flask) -> None:
    """Of two changes the code of one never sets the address of the other (CVE-2026-32700)."""
    holder = Holder.of(app)
    first = Change.asked(app, holder, "mallory@example.net")
    second = Change.asked(app, holder, "victim@example.net")

    assert refused(first.proven()) == WRONG
    assert second.proven().get_json()["user"]["email"] == "victim@example.net"


def test_ones_own_address_is_no_other(app: Flask) -> None:
    holder = Holder.of(app)
    answer = ask(holder.client, holder.token, "GRACE@example.com")

    assert refused(answer) == (422, "invalid_input")
    assert answer.get_json()["errors"] == {"email": ["Is your address already."]}


def test_five_an_hour_can_be_asked_for(app: Flask) -> None:
    holder = Holder.of(app)
    answers = [ask(holder.client, holder.token, f"grace{number}@example.org") for number in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert 0 < answers[-1].get_json()["retry_after"] <= 3600


WHOSE = {
    "free": "new@example.com",
    "taken": "ada@example.com",
    "taken, spelled otherwise": "ADA@Example.com",
    "kept": "johnson@example.com",
    "of somebody kept out": "mallory@example.com",
    "of somebody who leaves": "barbara@example.com",
    "of somebody who joins": "joan@example.com",
    "one's own of before": "amazing@example.com",
}


def test_nobody_learns_whether_an_address_is_somebodys(app: Flask, people: People) -> None:
    """Same answer, same work, whether the address is free, somebody's in any state, or one's own of before."""
    holder = moved(app, GRACE_AT, old=WHOSE["one's own of before"]).holder
    fill_addresses(app, people)
    watch, mails = Watch(app), mails_sent(app)
    alike = {}
    for kind, email in WHOSE.items():
        within(app, partial(throttles.clear, throttles.key_of("address changes", holder_id(app))))
        alike[kind] = watch.sees(partial(ask, app.test_client(), holder.token, email, elsewhere()))

    (*own, _statements), free = without_id(alike.pop("one's own of before")), without_id(alike["free"])
    assert {kind: one for kind, one in alike.items() if without_id(one) != free} == {}
    assert tuple(own) == free[:-1]
    (status, body, *_headers), rows_of, hashed, _statements = alike["free"]
    assert (status, json.loads(body)) == (200, SAID)
    assert rows_of == {"outbox": 2, "links": 1, "one_time_codes": 1, "address_changes": 1, "audit_events": 1}
    assert hashed == 0
    assert mails_sent(app) - mails == len(WHOSE) + 3  # a notice of each; codes to who joins, to nobody, to oneself


SAID = {"status": "Success", "success": True, "message": "A code is on its way to the new address"}


def fill_addresses(app: Flask, people: People) -> None:
    """Have each of the addresses be whose it is said to be."""
    for kind in ("taken", "of somebody kept out", "of somebody who leaves"):
        people.joined(WHOSE[kind])
    moved(app, "katherine@example.com", old=WHOSE["kept"])
    people.pending(WHOSE["of somebody who joins"])
    within(app, lambda: users.disable(parse(WHOSE["of somebody kept out"])))
    leaving = update(User).where(User.address == WHOSE["of somebody who leaves"])
    change(app, leaving.values(closes_at=clock.now() + timedelta(days=7)))


def holder_id(app: Flask) -> int:
    [found] = rows(app, select(User.id).where(User.address == GRACE_AT))
    return int(found)


def without_id(found: tuple[Any, ...]) -> tuple[Any, ...]:
    """What was seen, but for the request's own id."""
    (*said, headers), *cost = found
    return *said, [told for told in headers if told[0] != "X-Request-ID"], *cost


@pytest.mark.parametrize("email", ["grace@example.com", "GRACE@Example.com"])
def test_ones_own_address_however_it_is_spelled_costs_nothing(app: Flask, email: str) -> None:
    holder = Holder.of(app)
    before = counts(app)

    assert refused(ask(holder.client, holder.token, email)) == (422, "invalid_input")
    assert written(before, counts(app)) == {}


def test_two_people_who_prove_one_address_get_it_once(app: Flask) -> None:
    changes = [Change.asked(app, Holder.of(app, old), NEW_AT, old) for old in ("ada@example.com", GRACE_AT)]
    answers = together([partial(proven_with, app, change) for change in changes])

    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert len(rows(app, select(User).where(User.address == NEW_AT))) == 1


def proven_with(app: Flask, change: Change) -> TestResponse:
    return prove(app.test_client(), change.holder.token, change.code)


def test_who_joins_and_who_moves_at_once_share_no_address(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    joining = attempt(people, NEW_AT)
    change = Change.asked(app, holder)
    proof = partial(verify, app.test_client(), joining.code, verification_id=joining.id)
    answers = together([proof, partial(proven_with, app, change)])

    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert len(rows(app, select(User).where(User.address == NEW_AT))) == 1


def test_an_address_that_somebody_joined_with_meanwhile_is_not_got(app: Flask, people: People) -> None:
    change = Change.asked(app, Holder.of(app))
    joining = attempt(people, NEW_AT)
    assert verify(people.client, joining.code, verification_id=joining.id).status_code == 200

    assert refused(change.proven()) == WRONG
    assert change.holder.calls() == 200


def test_one_code_in_a_burst_is_used_once(app: Flask) -> None:
    change = Change.asked(app, Holder.of(app))
    answers = together([partial(proven_with, app, change) for _ in range(8)])

    assert (
        sorted(answer.status_code for answer in answers) == [200] + [401] * 4 + [429] * 3
        or [answer.status_code for answer in answers].count(200) == 1
    )
    assert len(events(app, "address_changed")) == 1


def test_a_reset_ends_a_change_that_waits(app: Flask, people: People) -> None:
    change = Change.asked(app, Holder.of(app))
    reset_id = people.client.post("/auth/forgot-password", json={"email": GRACE_AT}).get_json()["reset_id"]
    settle(app)
    body = {"otp": people.mailbox.code(GRACE_AT), "reset_id": reset_id, "password": "nine purple umbrellas"}
    assert people.client.post("/auth/reset-password", json=body).status_code == 200
    login = people.client.post("/auth/login", json={"email": GRACE_AT, "password": "nine purple umbrellas"})

    assert refused(prove(people.client, login.get_json()["token"], change.code)) == WRONG


def test_the_old_address_is_kept_for_a_week_and_then_free(app: Flask, people: People) -> None:
    moved(app)
    register(people.client, GRACE_AT, THERE)
    settle(app)
    notice = people.mailbox.all()[0]
    assert (notice["to"], notice["subject"]) == (NEW_AT, "You already have an account on flaskauth")

    clock.travel(timedelta(days=7, seconds=1))
    anew = attempt(people, password="eleven blue lanterns")
    assert verify(people.client, anew.code).status_code == 200


def test_an_attempt_that_was_open_before_does_not_get_a_kept_address(app: Flask, people: People) -> None:
    holder = Holder.of(app, "ada@example.com")
    waiting = attempt(people, NEW_AT, at=THERE)
    assert Change.asked(app, holder, NEW_AT, "ada@example.com").proven().status_code == 200
    again = Change.asked(app, holder, "lovelace@example.com", NEW_AT)
    assert again.proven().status_code == 200

    assert refused(verify(people.client, waiting.code, **waiting.door("by id"))) == WRONG


def test_its_owner_may_go_back_to_a_kept_address(app: Flask) -> None:
    change = moved(app)
    back = Change.asked(app, change.holder, GRACE_AT, NEW_AT)

    assert back.proven().get_json()["user"]["email"] == GRACE_AT


def test_what_is_over_is_deleted_after_a_week(app: Flask) -> None:
    Change.asked(app, Holder.of(app))
    clock.travel(timedelta(days=7, minutes=1))
    with app.app_context():
        purge()

    assert rows(app, select(AddressChange)) == []
