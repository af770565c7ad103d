"""Everybody is listed out, and comes along elsewhere as they were."""

import json

from flask import Flask
from sqlalchemy import delete
from tests.inside import change
from tests.people import PASSWORD, People
from tests.users.desk import Desk, everybody, person, who
from tests.users.hashes import SAMPLES

from flaskauth.accounts.models import User

HASH = SAMPLES["phpass P"]


def table(app: Flask) -> list[tuple[object, ...]]:
    names = [column.name for column in User.__table__.columns if column.name not in {"signed_in_at", "updated_at"}]
    return [tuple(getattr(user, name) for name in names) for user in everybody(app)]


def test_whoever_is_listed_comes_along_elsewhere_as_they_were(app: Flask, desk: Desk, people: People) -> None:
    people.joined(country="NG", first_name='Grâce "G" 王')
    desk.imports(
        person("ada@example.com", id=6, verified=False, last_name="", disabled_at="2024-02-01T00:00:00.123456Z"),
        person("tim@example.com", id=7, password=HASH, closes_at="2030-02-01T00:00:00Z"),
    )
    before = table(app)
    assert desk.types("export", "all.jsonl", "--with-hashes").code == 0
    assert (desk.folder / "all.jsonl").stat().st_mode & 0o777 == 0o600

    change(app, delete(User))
    assert desk.types("import", "all.jsonl").error == ""
    assert table(app) == before
    assert who(app).sign_in(PASSWORD).status_code == 200


def test_hashes_are_left_out_unless_they_are_asked_for(desk: Desk) -> None:
    desk.imports(person(password=HASH), person("ada@example.com", id=6))

    without = desk.types("export").out
    assert "password" not in without
    assert HASH not in without
    assert [told["password"] for told in desk.exports("--with-hashes")] == [HASH, None]


def test_many_are_listed_once_each_in_the_order_of_their_ids(desk: Desk) -> None:
    desk.imports(*(person(f"p{number}@example.com", id=number) for number in range(1, 2102)))

    assert [told["id"] for told in desk.exports()] == list(range(1, 2102))


def test_a_file_that_cannot_be_written_is_told_in_words(desk: Desk) -> None:
    said = desk.types("export", "no/such/folder.jsonl")

    assert (said.code, "No such file or directory" in said.error) == (1, True)


def test_nobody_is_an_empty_file(desk: Desk) -> None:
    assert (desk.types("export").code, desk.types("export").out) == (0, "")
    assert json.loads("[]") == desk.exports()
