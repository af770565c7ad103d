"""Pictures in a bucket of a server that speaks S3; and what is said while no storage answers."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from tests.avatars.files import picture, read
from tests.avatars.wearing import Wearer, kept, purge
from tests.conftest import MakeApp
from tests.inside import events, refused, together
from tests.servers.buckets import S3

from flaskauth.foundation import clock
from flaskauth.settings import Settings, SettingsError

UNAVAILABLE = (503, "unavailable")
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as server:
        yield server


@pytest.fixture
def app(make_app: MakeApp, s3: S3) -> Flask:
    return make_app(**s3.settings)


@pytest.fixture
def grace(app: Flask) -> Wearer:
    return Wearer.joined(app)


def test_a_picture_in_a_bucket_is_put_up_shown_replaced_and_taken_down(grace: Wearer, s3: S3) -> None:
    before = s3.names()
    first = grace.wears(picture())
    assert s3.names() - before == {f"avatars/{first}"}
    assert grace.shown == f"http://localhost:5000/avatars/{first}"

    second = grace.wears(picture())
    answer = grace.look(second)
    assert (answer.status_code, answer.mimetype) == (200, "image/webp")
    assert read(answer.data).size == (512, 384)
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert s3.names() - before == {f"avatars/{second}"}
    assert refused(grace.look(first)) == (404, "not_found")

    grace.remove()
    assert s3.names() == before
    assert kept(grace.app) == set()


def test_orphans_of_a_bucket_go_and_nothing_else_does(grace: Wearer, s3: S3) -> None:
    """What lies beside, or has another kind of name, is not ours."""
    mine, orphan = grace.wears(picture()), f"avatars/{'A' * 22}.webp"
    others = {"avatars/readme.txt", f"{'B' * 22}.webp", f"backup/{'C' * 22}.webp", f"avatars/old/{'D' * 22}.webp"}
    for key in (orphan, *others):
        s3.put(key, b"x")

    purge(grace.app)
    assert orphan in s3.names()

    clock.travel(HOUR + timedelta(minutes=1))
    purge(grace.app)
    assert s3.names() == {f"avatars/{mine}", *others}


def test_a_wrong_bucket_or_key_is_storage_that_is_away(make_app: MakeApp, s3: S3) -> None:
    grace = Wearer.joined(make_app(**{**s3.settings, "AWS_BUCKET": "nobodys"}))

    assert refused(grace.put(picture())) == UNAVAILABLE


def test_while_the_bucket_is_away_nothing_changes_and_afterwards_all_goes_on(make_app: MakeApp) -> None:
    """Killed, it refuses connections; silent, it takes them and says nothing."""
    with S3() as server:
        grace = Wearer.joined(make_app(**server.settings))
        name, user = grace.wears(picture()), grace.shown

        server.pause()
        assert all(answered_soon(grace, name))
        server.resume()
        assert grace.look(name).status_code == 200

        server.kill()
        assert all(answered_soon(grace, name))
        assert grace.shown == user

        server.start()  # with another, empty bucket
        assert grace.look(name).status_code == 404
        assert grace.look(grace.wears(picture())).status_code == 200
    assert len(events(grace.app, "avatar_changed")) == 2


def answered_soon(grace: Wearer, name: str) -> Iterator[bool]:
    """Whether both kinds of calls are refused in words, and in time."""
    for call in (partial(grace.put, picture()), partial(grace.look, name)):
        began = time.monotonic()
        answer = call()
        yield refused(answer) == UNAVAILABLE
        yield answer.headers["Cache-Control"] == "no-store"
        yield time.monotonic() - began < 10


def test_a_picture_is_taken_down_while_the_bucket_is_away(make_app: MakeApp) -> None:
    """The account is done with it at once; the file goes with the next purge."""
    with S3() as server:
        grace = Wearer.joined(make_app(**server.settings))
        name = grace.wears(picture())
        server.pause()
        assert grace.remove().status_code == 200
        assert grace.shown is None
        server.resume()

        clock.travel(HOUR + timedelta(minutes=1))
        purge(grace.app)
        assert f"avatars/{name}" not in server.names()


def test_a_silent_bucket_does_not_take_every_thread_with_it(make_app: MakeApp) -> None:
    """Eight wait for it; whoever comes besides is told at once that it is busy."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"AWS_BUCKET": "x", "AWS_KEY_ID": "x", "AWS_SECRET_KEY": "y", "AWS_ENDPOINT_URL": url}
        app = make_app(**settings)

        def look() -> tuple[tuple[int, str], float]:
            began = time.monotonic()
            answer = app.test_client().get(f"/avatars/{'A' * 22}.webp")
            return refused(answer), time.monotonic() - began

        answers = together([look] * 24)
    assert sum(told == UNAVAILABLE for told, _ in answers) == 8
    assert max(seconds for told, seconds in answers if told == (503, "overloaded")) < 4


def test_a_folder_that_cannot_be_written_is_storage_that_is_away(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "avatars").write_text("in the way")
    grace = Wearer.joined(make_app())

    assert refused(grace.put(picture())) == UNAVAILABLE
    assert refused(grace.look(f"{'A' * 22}.webp")) == UNAVAILABLE
    (tmp_path / "avatars").unlink()
    assert grace.put(picture()).status_code == 200


def test_tries_that_the_storage_refused_are_given_back(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "avatars").write_text("in the way")
    grace = Wearer.joined(make_app())
    assert {refused(grace.put(picture())) for _ in range(31)} == {UNAVAILABLE}
    (tmp_path / "avatars").unlink()

    assert grace.put(picture()).status_code == 200


def test_the_keys_of_a_bucket_are_in_no_answer_and_no_event(make_app: MakeApp) -> None:
    settings = {"AWS_BUCKET": "x", "AWS_KEY_ID": "id-7b81", "AWS_SECRET_KEY": "secret-7b81"}
    grace = Wearer.joined(make_app(**settings, AWS_ENDPOINT_URL="http://127.0.0.1:9"))

    assert "7b81" not in grace.put(picture()).text


@pytest.mark.parametrize("url", ["http://s3.example.com", "http://10.0.0.1:9000", "s3.example.com", "ftp://s3.example"])
def test_a_store_is_spoken_to_in_secret(database: str, url: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.load({"AWS_ENDPOINT_URL": url}, Path("no.env"))
    assert "AWS_ENDPOINT_URL" in str(refusal.value)


def test_half_a_key_is_told_at_the_start(database: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.load({"FLASKAUTH_ENV": "production", "AWS_BUCKET": "x", "AWS_KEY_ID": "y"}, Path("no.env"))
    assert "AWS_KEY_ID, AWS_SECRET_KEY: both, or neither" in str(refusal.value)
