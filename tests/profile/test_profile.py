"""Reading and editing the user's own profile: validation, protected fields and concurrency."""

import json
import re
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.support.inspect import audit_events, error_of, query_all, run_concurrently, single_event
from tests.support.users import PASSWORD, UserFactory, bearer
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User

EDITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"first_name": "Amazing"}, {"first_name": "Amazing"}),
    ({"last_name": " O'Hara-Müller "}, {"last_name": "O'Hara-Müller"}),
    ({"last_name": " "}, {"last_name": ""}),
    ({"first_name": "x" * 100}, {"first_name": "x" * 100}),
    ({"country_id": 840}, {"country_id": 840, "country": {"id": 840, "name": "United States", "code": "US"}}),
    ({"country": "de"}, {"country_id": 276, "country": {"id": 276, "name": "Germany", "code": "DE"}}),
    ({"locale": "pt-BR"}, {}),
]
INVALID_NAMES: list[Any] = [
    *(
        "x" * 101,
        "<b>Grace</b>",
        "Grace>",
        "http://evil.example",
        "see www.evil.example",
        "WWW.evil.example",
        "\uff57\uff57\uff57.evil.example",
        "http\uff1a//evil.example",
        "\uff1cb\uff1e",
    ),
    *("ftp://x", "Grace\nHopper", "Grace\r\nBcc: x@example.com", "Grace\x00", "Grace\u2028Hopper", "\ud800"),
    *("Grace\u202eHopper", "Gra\u0085ce", "Z\u0301\u0301\u0301\u0301\u0301algo"),
    *(7, None, True, ["Grace"], {}),
]
INVALID_VALUES: dict[str, list[Any]] = {
    "first_name": ["", "   ", "\u200b", "\ufeff", *INVALID_NAMES],
    "last_name": INVALID_NAMES,
    "country_id": [0, -1, 1, 999, 1000, 2**31, 2**63, 10**400, "566", 566.0, True, None, [], {}],
    "country": ["XX", "ZZ", "N", "NGA", "Ng ", "ÑG", "N%", "__", "", 566, None, ["NG"]],
    "locale": ["", "e", "english language", "../../etc", "en-u", "en-", "x" * 17, 7, None],
}
PROTECTED_FIELDS = [
    *(
        "id",
        "email",
        "normalized_email",
        "password",
        "is_verified",
        "avatar",
        "created_at",
        "updated_at",
        "last_login_at",
        "role",
    ),
    *("is_admin", "__class__", "__proto__", "constructor", "_sa_instance_state", "country.name", "status"),
]
VALIDATION_FAILED = (422, "validation_failed")
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def token(users: UserFactory) -> str:
    access_token: str = users.create_verified(country="NG").login_ok()["token"]
    return access_token


def edit(app: Flask, token: str, **changes: Any) -> TestResponse:
    body = json.dumps(changes)
    return app.test_client().post("/users/edit", data=body, content_type="application/json", headers=bearer(token))


def get_profile(app: Flask, token: str) -> dict[str, Any]:
    user: dict[str, Any] = app.test_client().get("/users/profile", headers=bearer(token)).get_json()["user"]
    return user


def test_get_profile_returns_current_user(users: UserFactory) -> None:
    tokens = users.create_verified(country="NG").login_ok()
    response = users.client.get("/users/profile", headers=bearer(tokens["token"]))

    assert response.get_json() == {
        "status": "Success",
        "success": True,
        "message": "Profile Details",
        "user": tokens["user"],
    }
    assert response.headers["Cache-Control"] == "no-store"


def test_get_profile_ignores_ids_of_other_users(app: Flask, users: UserFactory, token: str) -> None:
    ada = users.create_verified("ada@example.com").login_ok()["user"]
    client, headers = app.test_client(), {**bearer(token), "X-User-Id": str(ada["id"])}

    for query in (f"?id={ada['id']}", f"?user_id={ada['id']}", "?email=ada@example.com"):
        assert client.get(f"/users/profile{query}", headers=headers).get_json()["user"]["email"] == "grace@example.com"
    assert error_of(client.get(f"/users/{ada['id']}", headers=headers)) == (404, "not_found")


@ON_SQLITE
def test_get_profile_with_path_suffix_is_not_found(app: Flask, token: str) -> None:
    for suffix in ("/a.css", ".css", "%2fa.js", ";x.css", "/", "%00"):
        response = app.test_client().get(f"/users/profile{suffix}", headers=bearer(token))
        assert error_of(response) == (404, "not_found"), suffix


def test_edit_profile_changes_single_field(app: Flask, token: str) -> None:
    for changes, expected in EDITS:
        before = get_profile(app, token)
        response = edit(app, token, **changes)
        user = response.get_json()["user"]

        assert (response.status_code, response.get_json()["message"]) == (200, "Profile Updated")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", user["updated_at"])
        assert user == {**before, **expected, "updated_at": user["updated_at"]} == get_profile(app, token)


def test_edit_profile_writes_audit_event(app: Flask, token: str) -> None:
    edit(app, token, first_name="Amazing", locale="de")
    [user] = query_all(app, select(User))

    assert user.locale == "de"
    assert single_event(app, "profile_edited").user_id == user.id


@ON_SQLITE
def test_edit_profile_with_empty_body_changes_nothing(app: Flask, token: str) -> None:
    client = app.test_client()

    assert edit(app, token).get_json()["user"]["updated_at"] is None
    assert client.post("/users/edit", headers=bearer(token)).get_json()["user"]["updated_at"] is None
    assert not audit_events(app, "profile_edited")


@pytest.mark.parametrize(("field", "values"), INVALID_VALUES.items())
def test_edit_profile_with_invalid_value_is_rejected(app: Flask, token: str, field: str, values: list[Any]) -> None:
    before = get_profile(app, token)
    for value in values:
        response = edit(app, token, **{"locale": "en", field: value})
        assert error_of(response) == VALIDATION_FAILED, value
        assert list(response.get_json()["errors"]) == [field]
        assert len(str(value)) < 4 or str(value) not in response.text

    assert get_profile(app, token) == before


@ON_SQLITE
def test_edit_profile_with_country_and_country_id_is_rejected(app: Flask, token: str) -> None:
    response = edit(app, token, country="DE", country_id=276)

    assert error_of(response) == VALIDATION_FAILED
    assert response.get_json()["errors"] == {"country_id": ["Send country_id or country, not both."]}


@ON_SQLITE
def test_edit_profile_accepts_unicode_names(app: Flask, token: str) -> None:
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
def test_edit_profile_of_protected_field_is_rejected(app: Flask, token: str) -> None:
    [before] = query_all(app, select(User))
    for field in PROTECTED_FIELDS:
        response = edit(app, token, first_name="Amazing", **{field: PASSWORD})
        assert error_of(response) == VALIDATION_FAILED
        assert response.get_json()["errors"] == {field: ["Unknown field."]}

    [after] = query_all(app, select(User))
    for name in (
        "id",
        "email",
        "normalized_email",
        "password_hash",
        "is_verified",
        "avatar",
        "first_name",
        "updated_at",
    ):
        assert getattr(after, name) == getattr(before, name)


def test_edit_profile_changes_only_own_user(app: Flask, users: UserFactory, token: str) -> None:
    ada = users.create_verified("ada@example.com").login_ok()["token"]
    edit(app, token, first_name="Amazing")

    assert get_profile(app, ada)["first_name"] == "Grace"
    assert get_profile(app, ada)["updated_at"] is None


def test_concurrent_profile_edits_are_both_kept(app: Flask, token: str) -> None:
    for number in range(5):
        first, last = f"First{number}", f"Last{number}"
        responses = run_concurrently(
            [partial(edit, app, token, first_name=first), partial(edit, app, token, last_name=last)]
        )
        assert [response.status_code for response in responses] == [200, 200]
        user = get_profile(app, token)
        assert (user["first_name"], user["last_name"]) == (first, last)


@ON_SQLITE
def test_edit_profile_checks_token_before_body(app: Flask) -> None:
    for body in (b'{"first_name": ""}', b"{", b"x" * 2**20):
        response = app.test_client().post("/users/edit", data=body, content_type="application/json")
        assert error_of(response) == (401, "invalid_token")
