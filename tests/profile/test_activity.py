"""People see what happened to their account, all of it and nobody else's."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select
from tests.inside import change, refused, rows
from tests.people import HERE, THERE, People, bearer, network
from tests.sessions.holding import Holder

from flaskauth.accounts.models import User
from flaskauth.audit.models import AuditEvent
from flaskauth.foundation import clock

NOT_A_NUMBER: tuple[str, ...] = (
    *("", "0", "-1", "+1", "1.0", "1e1", " 1", "1 ", "0x1", "01", "one", "null", "true", "%00", "%D9%A1", "1,2", "[1]"),
    *(str(2**53), str(2**63), "9" * 400, "%ff", "%F0%9F%90%88"),
)


def page(client: FlaskClient, token: str, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/users/activity{query}", headers=bearer(token))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def walked(client: FlaskClient, token: str, limit: int) -> list[int]:
    """The ids on all pages, in the order in which they come."""
    ids, cursor = [], ""
    while True:
        found = page(client, token, f"?limit={limit}{cursor}")
        ids += [event["id"] for event in found["events"]]
        if found["next"] is None:
            return ids
        assert len(found["events"]) == limit
        cursor = f"&cursor={found['next']}"


def happened(app: Flask, count: int) -> None:
    """So many events of everybody there is, long ago."""
    people = rows(app, select(User.id))
    about = {"at": clock.now(), "name": "profile_edited", "details": {}}
    many = [
        {"id": number * 10 + place, "user_id": one, **about}
        for number in range(1, count + 1)
        for place, one in enumerate(people)
    ]
    change(app, insert(AuditEvent).values(many))


def test_the_newest_comes_first_and_says_when_and_where(app: Flask, people: People) -> None:
    person = people.joined()
    person.sign_in("wrong", at=THERE)
    holder = Holder(people.client, person.signed_in(at=HERE))
    found = page(people.client, holder.token)
    newest, failed, joined = found["events"]
    row = rows(app, select(AuditEvent).filter_by(name="sign_in"))[0]

    assert (found["message"], found["next"]) == ("Activity", None)
    assert newest == {
        "id": row.id,
        "name": "sign_in",
        "at": clock.stamp(row.at),
        "ip": HERE,
        "device": row.device,
        "session_id": holder.session_id,
    }
    assert [event["name"] for event in (failed, joined)] == ["sign_in_failed", "account_created"]
    assert (failed["ip"], failed["session_id"]) == (THERE, None)


def test_what_happened_to_somebody_else_never_appears(app: Flask, people: People) -> None:
    ada, grace = Holder.of(app, "ada@example.com"), Holder.of(app)
    people.client.post("/auth/login", json={"email": "nobody@example.com", "password": "x"}, headers=network(THERE))
    happened(app, 5)
    mine = set(rows(app, select(AuditEvent.id).filter_by(user_id=grace.tokens["user"]["id"])))

    assert set(walked(people.client, grace.token, 2)) == mine
    for event in page(people.client, ada.token)["events"]:
        beside = page(people.client, grace.token, f"?cursor={event['id'] + 1}")["events"]
        assert {one["id"] for one in beside} <= mine
    for query in (f"?user_id={ada.tokens['user']['id']}", "?name=sign_in", "?id=1", "?cursor[]=1", "?Limit=1"):
        answer = people.client.get(f"/users/activity{query}", headers=bearer(grace.token))
        assert refused(answer) == (422, "invalid_input")
        assert list(answer.get_json()["errors"].values()) == [["Unknown field."]]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_walk_sees_each_event_once_while_new_ones_arrive(app: Flask, people: People, limit: int) -> None:
    holder = Holder.of(app)
    happened(app, 21)
    before = rows(app, select(AuditEvent.id).filter_by(user_id=holder.tokens["user"]["id"]))
    first = page(people.client, holder.token, f"?limit={limit}")
    Holder(people.client, people.joined("ada@example.com").signed_in())
    people.client.post("/users/edit", json={"first_name": "Amazing"}, headers=bearer(holder.token))
    seen = [event["id"] for event in first["events"]]
    while first["next"]:
        first = page(people.client, holder.token, f"?limit={limit}&cursor={first['next']}")
        seen += [event["id"] for event in first["events"]]
        people.client.post("/users/edit", json={"first_name": "Again"}, headers=bearer(holder.token))

    assert seen == sorted(before, reverse=True)


def test_twenty_come_unless_said_and_the_last_page_says_so(app: Flask, people: People) -> None:
    holder = Holder.of(app)
    happened(app, 18)
    exactly = page(people.client, holder.token)
    assert (len(exactly["events"]), exactly["next"]) == (20, None)

    happened_once_more = page(people.client, holder.token, "?limit=19")
    assert len(happened_once_more["events"]) == 19
    rest = page(people.client, holder.token, f"?cursor={happened_once_more['next']}")
    assert (len(rest["events"]), rest["next"]) == (1, None)
    assert page(people.client, holder.token, "?cursor=1") == {**rest, "events": []}


@pytest.mark.parametrize("name", ["limit", "cursor"])
def test_what_is_no_number_is_refused_by_name(app: Flask, people: People, name: str) -> None:
    token = Holder.of(app).token
    for value in (*NOT_A_NUMBER, *(["101", "1000"] if name == "limit" else [])):
        answer = people.client.get(f"/users/activity?{name}={value}", headers=bearer(token))
        assert refused(answer) == (422, "invalid_input"), value
        assert answer.get_json()["errors"] == {name: ["Not a valid whole number."]}, value


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_parameter_stands_once(app: Flask, people: People) -> None:
    token = Holder.of(app).token
    answer = people.client.get("/users/activity?limit=1&cursor=5&limit=1&cursor=6", headers=bearer(token))

    assert refused(answer) == (422, "invalid_input")
    assert answer.get_json()["errors"] == {name: ["Given more than once."] for name in ("cursor", "limit")}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_who_is_not_signed_in_learns_nothing(app: Flask) -> None:
    for query in ("", "?limit=x", "?limit=1&limit=2"):
        assert refused(app.test_client().get(f"/users/activity{query}")) == (401, "invalid_token")
