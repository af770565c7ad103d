"""Many at once, and what crashes leave behind: in the end each person has one picture, and there is one file for it."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, update
from sqlalchemy.exc import DBAPIError
from tests.avatars.files import picture, png
from tests.avatars.wearing import Wearer, kept, name_in, purge
from tests.inside import change, refused, together, within
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.avatars import pictures, service
from flaskauth.foundation import clock
from flaskauth.foundation.db import db

HOUR = timedelta(hours=1)
SMALL = png(8, 8)


@pytest.fixture
def grace(app: Flask) -> Wearer:
    return Wearer.joined(app)


def test_of_parallel_replacements_one_stays_and_one_file(app: Flask, grace: Wearer) -> None:
    grace.wears(SMALL)
    answers = together([partial(grace.put, SMALL)] * 8)

    assert {answer.status_code for answer in answers} <= {200, 503}
    names = {name_in(answer) for answer in answers if answer.status_code == 200}
    assert len(names) > 1
    assert kept(app) <= names
    assert grace.shown == f"http://localhost:5000/avatars/{kept(app).pop()}"
    assert len(kept(app)) == 1


def test_a_parallel_removal_leaves_a_picture_with_a_file_or_none(app: Flask, grace: Wearer) -> None:
    for _ in range(3):
        grace.wears(SMALL)
        works: list[Callable[[], TestResponse]] = [partial(grace.put, SMALL), grace.remove, grace.remove]
        assert {answer.status_code for answer in together(works)} <= {200, 503}

        shown = grace.shown
        assert kept(app) == ({shown.rpartition("/")[2]} if shown else set())


def test_a_transaction_that_is_run_again_keeps_one_file(app: Flask, grace: Wearer) -> None:
    """The database breaks off whoever changes the account, twice; the picture is made and kept once."""
    with app.app_context():
        engine = db.engine
    broken_off = iter([True, True])

    def break_off(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("UPDATE users") and "avatar" in statement and next(broken_off, False):
            raise DBAPIError("UPDATE", None, Exception(1213))

    event.listen(engine, "before_cursor_execute", break_off)
    name = grace.wears(SMALL)
    event.remove(engine, "before_cursor_execute", break_off)

    assert next(broken_off, "spent") == "spent"
    assert kept(app) == {name}


def test_too_many_at_once_are_told_to_come_again(app: Flask, grace: Wearer) -> None:
    """One is looked at, a few wait: memory for more there may not be."""
    large = png(5000, 5000, 6)
    answers = together([partial(grace.put, large)] * 20)

    told = {answer.status_code for answer in answers}
    assert told == {200, 503}
    assert {refused(answer) for answer in answers if answer.status_code == 503} == {(503, "overloaded")}
    assert len(kept(app)) == 1


def test_nine_wait_for_two_seconds_and_the_tenth_is_told_at_once(app: Flask, grace: Wearer) -> None:
    """While something that takes long is looked at."""
    done = threading.Event()
    pictures._painter.submit(done.wait, 30)

    def put() -> tuple[tuple[int, str], float]:
        began = time.monotonic()
        return refused(grace.put(SMALL)), time.monotonic() - began

    answers = together([put] * 14)
    done.set()
    assert {told for told, _ in answers} == {(503, "overloaded")}
    assert sum(seconds >= pictures.LONGEST_WAIT for _, seconds in answers) == 9
    assert kept(app) == set()
    assert grace.put(SMALL).status_code == 200


def test_what_nobody_has_is_deleted_after_an_hour(app: Flask, grace: Wearer, tmp_path: Path) -> None:
    """Not before: it may be of an upload that is under way. What has another kind of name is not ours."""
    mine = grace.wears(picture())
    orphans = [f"{number:022}.webp" for number in range(1200)]
    for name in (*orphans, "readme.txt", "x.webp"):
        (tmp_path / "avatars" / name).write_bytes(b"x")

    purge(app)
    assert kept(app) == {mine, *orphans, "readme.txt", "x.webp"}

    clock.travel(HOUR + timedelta(minutes=1))
    purge(app)
    assert kept(app) == {mine, "readme.txt", "x.webp"}
    assert grace.look(mine).status_code == 200


def test_a_picture_of_yesterday_stays(app: Flask, grace: Wearer) -> None:
    names = {grace.wears(picture()), Wearer.joined(app, "ada@example.com").wears(picture())}

    clock.travel(timedelta(days=400))
    purge(app)
    assert kept(app) == names


def test_without_a_folder_there_is_nothing_to_delete(app: Flask) -> None:
    purge(app)

    assert kept(app) == set()


def test_a_file_that_another_room_drops_goes_with_its_commit(app: Flask, grace: Wearer) -> None:
    name = grace.wears(picture())

    def erased() -> set[str]:
        service.drop(name)
        return kept(app)

    assert within(app, erased) == {name}
    assert kept(app) == set()


def test_what_is_rolled_back_drops_no_file(app: Flask, grace: Wearer) -> None:
    name = grace.wears(picture())

    def accident() -> None:
        service.drop(name)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        within(app, accident)
    assert kept(app) == {name}


@pytest.mark.parametrize("name", ["../secret_key", "/etc/passwd", "http://other.example/me.png", "", "x" * 250])
def test_an_odd_name_in_the_account_deletes_nothing(app: Flask, grace: Wearer, name: str, tmp_path: Path) -> None:
    """As somebody may have brought along from another system."""
    (tmp_path / "secret_key").write_text("kept")
    change(app, update(User).values(avatar=name))

    name = grace.wears(picture())
    assert kept(app) == {name}
    assert (tmp_path / "secret_key").read_text() == "kept"


def test_nobody_else_on_the_machine_can_list_the_folder(app: Flask, grace: Wearer, tmp_path: Path) -> None:
    grace.wears(picture())

    assert (tmp_path / "avatars").stat().st_mode & 0o777 == 0o700
