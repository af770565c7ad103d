"""People see where they are signed in, and end it."""

import re
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.inside import events, recorded, refused, rows, together
from tests.people import HERE, THERE, People, Person, bearer, network
from tests.sessions.holding import INVALID, Holder

from flaskauth.foundation import clock
from flaskauth.sessions.models import Device, Session

NOT_FOUND = (404, "not_found")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def listed(client: FlaskClient, token: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/auth/sessions", headers=bearer(token)).get_json()["sessions"]
    return found


def ends(holder: Holder, session_id: object) -> tuple[int, str]:
    answer = holder.client.delete(f"/auth/sessions/{session_id}", headers=bearer(holder.token))
    return (200, answer.get_json()["message"]) if answer.status_code == 200 else refused(answer)


def two_sessions(app: Flask) -> tuple[Holder, Holder]:
    person = People(app).joined()
    return tuple(Holder(person.client, person.signed_in(at=at)) for at in (HERE, THERE))  # type: ignore[return-value]


def test_each_says_where_and_when(app: Flask) -> None:
    client, person = app.test_client(), People(app).joined()
    headers = {
        **network(THERE),
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\x7f Firefox/140.0",
    }
    first = client.post("/auth/login", json={"email": person.email, "password": person.password}, headers=headers)
    clock.travel(timedelta(minutes=1))
    second = person.signed_in(at=HERE)
    newer, older = listed(client, second["token"])

    assert set(newer) == {"id", "current", "device", "ip", "created_at", "last_used_at", "expired_at"}
    assert (newer["current"], older["current"]) == (True, False)
    assert (newer["ip"], older["ip"], older["device"]) == (HERE, THERE, "Firefox (Linux)")
    assert older["id"] == int(first.get_json()["refresh_token"].split(".")[0])
    assert older["expired_at"] == first.get_json()["expired_at"]
    assert all(MOMENT.fullmatch(newer[name]) for name in ("created_at", "last_used_at", "expired_at"))


def test_a_refresh_shows(app: Flask) -> None:
    holder = Holder.of(app)
    [before] = listed(holder.client, holder.token)
    clock.travel(timedelta(days=1))
    holder.refreshes()
    [after] = listed(holder.client, holder.token)

    assert after["created_at"] == before["created_at"]
    assert after["last_used_at"] > before["last_used_at"]
    assert after["expired_at"] > before["expired_at"]


def test_only_live_ones_of_ones_own_are_listed(app: Flask) -> None:
    mine, other = two_sessions(app)
    Holder.of(app, "ada@example.com")
    other.client.post("/auth/logout", headers=bearer(other.token))

    assert [session["id"] for session in listed(mine.client, mine.token)] == [mine.session_id]


def test_one_session_can_be_ended(app: Flask) -> None:
    mine, other = two_sessions(app)

    assert ends(mine, other.session_id) == (200, "Signed out")
    assert other.is_over()
    assert mine.calls() == 200
    assert ends(mine, other.session_id) == NOT_FOUND
    assert recorded(app, "signed_out").session_id == other.session_id


def test_ones_own_session_can_be_ended(app: Flask) -> None:
    holder = Holder.of(app)

    assert ends(holder, holder.session_id) == (200, "Signed out")
    assert ends(holder, holder.session_id) == INVALID


def test_a_session_of_somebody_else_is_not_there(app: Flask) -> None:
    mine, ada = Holder.of(app), Holder.of(app, "ada@example.com")

    assert ends(mine, ada.session_id) == ends(mine, 1) == NOT_FOUND
    assert ada.calls() == 200


def test_a_number_that_is_no_session_is_not_there(app: Flask) -> None:
    holder = Holder.of(app)
    for session_id in (0, 2**53, 2**63, 10**30, "9" * 5000, "0x1", "-1", "1.0", "one", "%00", "٣"):
        assert ends(holder, session_id) == NOT_FOUND, session_id


def test_all_others_can_be_ended(app: Flask) -> None:
    mine, other = two_sessions(app)
    answer = mine.client.delete("/auth/sessions", headers=bearer(mine.token))

    assert answer.status_code == 200
    assert other.is_over()
    assert mine.refreshes()
    assert [session["current"] for session in listed(mine.client, mine.token)] == [True]
    assert recorded(app, "signed_out_everywhere").details == {"ended": 1}
    assert len(rows(app, select(Device))) == 1


def test_that_ends_nobody_elses(app: Flask) -> None:
    mine, ada = Holder.of(app), Holder.of(app, "ada@example.com")
    mine.client.delete("/auth/sessions", headers=bearer(mine.token))

    assert ada.refreshes()


def test_the_oldest_of_more_than_twenty_ends(app: Flask, people: People) -> None:
    person = people.joined()
    holders = [holder_at(person, number) for number in range(21)]

    assert holders[0].is_over()
    assert all(holder.calls() == 200 for holder in holders[1:])
    assert recorded(app, "session_displaced").session_id == holders[0].session_id

    together([partial(sign_in_elsewhere, app, person, 100 + number) for number in range(6)])
    last = holder_at(person, 200)
    assert len(listed(last.client, last.token)) == 20


def holder_at(person: Person, number: int) -> Holder:
    clock.travel(timedelta(seconds=1))
    return Holder(person.client, person.signed_in(at=f"192.0.2.{number}"))


def sign_in_elsewhere(app: Flask, person: Person, number: int) -> None:
    Person(app.test_client(), person.email).sign_in(at=f"192.0.2.{number}")


def test_ended_sessions_make_no_room_twice(app: Flask, people: People) -> None:
    person = people.joined()
    for number in range(3):
        holder = holder_at(person, number)
        holder.client.post("/auth/logout", headers=bearer(holder.token))
    holders = [holder_at(person, number) for number in range(3)]

    assert all(holder.calls() == 200 for holder in holders)
    assert not events(app, "session_displaced")


def test_a_session_whose_time_is_over_is_not_listed_and_not_counted(make_app: MakeApp) -> None:
    person = People(make_app(SESSION_IDLE_DURATION="5")).joined()
    holder_at(person, 1)
    clock.travel(timedelta(minutes=6))
    holder = holder_at(person, 2)

    assert [session["id"] for session in listed(holder.client, holder.token)] == [holder.session_id]


def test_nothing_of_a_session_row_opens_it(app: Flask) -> None:
    """What stands in the database is neither the refresh token nor anything that it is made of."""
    holder = Holder.of(app)
    [row] = rows(app, select(Session))
    mac = holder.refresh_token.split(".")[2]

    kept = [value.hex() if isinstance(value, bytes) else str(value) for value in vars(row).values()]
    assert not [value for value in kept if mac in value]
