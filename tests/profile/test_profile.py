"""People see and edit what they say of themselves, and nothing else."""

import json
import re
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.inside import events, recorded, refused, rows, together
from tests.people import PASSWORD, People, bearer
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User

EDITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"first_name": "Amazing"}, {"first_name": "Amazing"}),
    ({"last_name": " O'Hara-Müller "}, {"last_name": "O'Hara-Müller"}),
    ({"first_name": "x" * 100}, {"first_name": "x" * 100}),
    ({"country_id": 840}, {"country_id": 840, "country": {"id": 840, "name": "United States", "code": "US"}}),
    ({"country": "de"}, {"country_id": 276, "country": {"id": 276, "name": "Germany", "code": "DE"}}),
    ({"locale": "pt-BR"}, {}),
]
NAMES: list[Any] = [
    *(
        "",
        "   ",
        "x" * 101,
        "<b>Grace</b>",
        "Grace>",
        "http://evil.example",
        "see www.evil.example",
        "WWW.evil.example",
    ),
    *("ftp://x", "Grace\nHopper", "Grace\r\nBcc: x@example.com", "Grace\x00", "Grace\u2028Hopper", "\ud800"),
    *("Grace\u202eHopper", "Gra\u0085ce", "Z\u0301\u0301\u0301\u0301\u0301algo", "\u200b", "\ufeff"),
    *(7, None, True, ["Grace"], {}),
]
REFUSED: dict[str, list[Any]] = {
    "first_name": NAMES,
    "last_name": NAMES,
    "country_id": [0, -1, 1, 999, 1000, 2**31, 2**63, 10**400, "566", 566.0, True, None, [], {}],
    "country": ["XX", "ZZ", "N", "NGA", "Ng ", "ÑG", "N%", "__", "", 566, None, ["NG"]],
    "locale": ["", "e", "english language", "../../etc", "en_US", "en-", "x" * 17, 7, None],
}
NOT_OURS = [
    *(
        "id",
        "email",
        "address",
        "password",
        "is_verified",
        "avatar",
        "created_at",
        "updated_at",
        "signed_in_at",
        "role",
    ),
    *("is_admin", "__class__", "__proto__", "constructor", "_sa_instance_state", "country.name", "status"),
]
INVALID_INPUT = (422, "invalid_input")
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def token(people: People) -> str:
    found: str = people.joined(country="NG").signed_in()["token"]
    return found


def edit(app: Flask, token: str, **changes: Any) -> TestResponse:
    sent = json.dumps(changes)
    return app.test_client().post("/users/edit", data=sent, content_type="application/json", headers=bearer(token))


def shown(app: Flask, token: str) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/users/profile", headers=bearer(token)).get_json()["user"]
    return found


def test_the_profile_says_who_one_is(people: People) -> None:
    welcome = people.joined(country="NG").signed_in()
    answer = people.client.get("/users/profile", headers=bearer(welcome["token"]))

    assert answer.get_json() == {
        "status": "Success",
        "success": True,
        "message": "Profile Details",
        "user": welcome["user"],
    }
    assert answer.headers["Cache-Control"] == "no-store"


def test_nobody_elses_profile_can_be_asked_for(app: Flask, people: People, token: str) -> None:
    ada = people.joined("ada@example.com").signed_in()["user"]
    client, headers = app.test_client(), {**bearer(token), "X-User-Id": str(ada["id"])}

    for query in (f"?id={ada['id']}", f"?user_id={ada['id']}", "?email=ada@example.com"):
        assert client.get(f"/users/profile{query}", headers=headers).get_json()["user"]["email"] == "grace@example.com"
    assert refused(client.get(f"/users/{ada['id']}", headers=headers)) == (404, "not_found")


@ON_SQLITE
def test_no_other_address_shows_a_profile_that_a_cache_might_keep(app: Flask, token: str) -> None:
    for ending in ("/a.css", ".css", "%2fa.js", ";x.css", "/", "%00"):
        answer = app.test_client().get(f"/users/profile{ending}", headers=bearer(token))
        assert refused(answer) == (404, "not_found"), ending


def test_each_field_can_be_edited_alone(app: Flask, token: str) -> None:
    for changes, after in EDITS:
        before = shown(app, token)
        answer = edit(app, token, **changes)
        user = answer.get_json()["user"]

        assert (answer.status_code, answer.get_json()["message"]) == (200, "Profile Updated")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", user["updated_at"])
        assert user == {**before, **after, "updated_at": user["updated_at"]} == shown(app, token)


def test_an_edit_is_written_down(app: Flask, token: str) -> None:
    edit(app, token, first_name="Amazing", locale="de")
    [person] = rows(app, select(User))

    assert person.locale == "de"
    assert recorded(app, "profile_edited").user_id == person.id


@ON_SQLITE
def test_nothing_to_edit_changes_nothing(app: Flask, token: str) -> None:
    client = app.test_client()

    assert edit(app, token).get_json()["user"]["updated_at"] is None
    assert client.post("/users/edit", headers=bearer(token)).get_json()["user"]["updated_at"] is None
    assert not events(app, "profile_edited")


@pytest.mark.parametrize(("field", "values"), REFUSED.items())
def test_what_cannot_be_is_refused_by_name_and_not_echoed(
    app: Flask, token: str, field: str, values: list[Any]
) -> None:
    before = shown(app, token)
    for value in values:
        answer = edit(app, token, **{"locale": "en", field: value})
        assert refused(answer) == INVALID_INPUT, value
        assert list(answer.get_json()["errors"]) == [field]
        assert len(str(value)) < 4 or str(value) not in answer.text

    assert shown(app, token) == before


@ON_SQLITE
def test_a_country_is_named_once(app: Flask, token: str) -> None:
    answer = edit(app, token, country="DE", country_id=276)

    assert refused(answer) == INVALID_INPUT
    assert answer.get_json()["errors"] == {"country_id": ["Send country_id or country, not both."]}


@ON_SQLITE
def test_names_of_the_world_are_taken(app: Flask, token: str) -> None:
    for name in (
        "Zoë",
        "李",
        "O'Neil",
        "Jean-Luc",
        "Müller-Lüdenscheidt",
        "\u0646\u0631\u200c\u06af\u0633",
        "J. R. R.",
        "{{7*7}}",
    ):
        assert edit(app, token, first_name=name).get_json()["user"]["first_name"] == name


@ON_SQLITE
def test_nothing_else_can_be_edited(app: Flask, token: str) -> None:
    [before] = rows(app, select(User))
    for field in NOT_OURS:
        answer = edit(app, token, first_name="Amazing", **{field: PASSWORD})
        assert refused(answer) == INVALID_INPUT
        assert answer.get_json()["errors"] == {field: ["Unknown field."]}

    [after] = rows(app, select(User))
    for name in ("id", "email", "address", "password", "is_verified", "avatar", "first_name", "updated_at"):
        assert getattr(after, name) == getattr(before, name)


def test_only_ones_own_row_is_edited(app: Flask, people: People, token: str) -> None:
    ada = people.joined("ada@example.com").signed_in()["token"]
    edit(app, token, first_name="Amazing")

    assert shown(app, ada)["first_name"] == "Grace"
    assert shown(app, ada)["updated_at"] is None


def test_two_edits_at_once_both_stay(app: Flask, token: str) -> None:
    for number in range(5):
        first, last = f"First{number}", f"Last{number}"
        answers = together([partial(edit, app, token, first_name=first), partial(edit, app, token, last_name=last)])
        assert [answer.status_code for answer in answers] == [200, 200]
        user = shown(app, token)
        assert (user["first_name"], user["last_name"]) == (first, last)


@ON_SQLITE
def test_who_is_not_signed_in_learns_nothing_about_the_body(app: Flask) -> None:
    for body in (b'{"first_name": ""}', b"{", b"x" * 2**20):
        answer = app.test_client().post("/users/edit", data=body, content_type="application/json")
        assert refused(answer) == (401, "invalid_token")
