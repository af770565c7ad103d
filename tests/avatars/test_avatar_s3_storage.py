"""Avatars in an S3 bucket, and the responses while the storage is unavailable."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from tests.avatars.helpers import AvatarUser, purge_avatars, stored_files
from tests.avatars.sample_images import make_image, open_image
from tests.conftest import MakeApp
from tests.servers.s3 import S3
from tests.support.inspect import audit_events, error_of, run_concurrently

from flaskauth.core import clock
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
def avatar_user(app: Flask) -> AvatarUser:
    return AvatarUser.create(app)


def test_s3_avatar_upload_fetch_replace_and_delete(avatar_user: AvatarUser, s3: S3) -> None:
    keys_before = s3.object_keys()
    first = avatar_user.upload(make_image())
    assert s3.object_keys() - keys_before == {f"avatars/{first}"}
    assert avatar_user.avatar_url == f"http://localhost:5000/avatars/{first}"

    second = avatar_user.upload(make_image())
    response = avatar_user.fetch(second)
    assert (response.status_code, response.mimetype) == (200, "image/webp")
    assert open_image(response.data).size == (512, 384)
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert s3.object_keys() - keys_before == {f"avatars/{second}"}
    assert error_of(avatar_user.fetch(first)) == (404, "not_found")

    avatar_user.remove()
    assert s3.object_keys() == keys_before
    assert stored_files(avatar_user.app) == set()


def test_s3_purge_deletes_only_orphaned_avatars(avatar_user: AvatarUser, s3: S3) -> None:
    """Other objects and other kinds of names are not deleted."""
    own_file, orphan = avatar_user.upload(make_image()), f"avatars/{'A' * 22}.webp"
    other_keys = {"avatars/readme.txt", f"{'B' * 22}.webp", f"backup/{'C' * 22}.webp", f"avatars/old/{'D' * 22}.webp"}
    for key in (orphan, *other_keys):
        s3.put(key, b"x")

    purge_avatars(avatar_user.app)
    assert orphan in s3.object_keys()

    clock.travel(HOUR + timedelta(minutes=1))
    purge_avatars(avatar_user.app)
    assert s3.object_keys() == {f"avatars/{own_file}", *other_keys}


def test_s3_wrong_bucket_is_unavailable(make_app: MakeApp, s3: S3) -> None:
    avatar_user = AvatarUser.create(make_app(**{**s3.settings, "AWS_BUCKET": "nobodys"}))

    assert error_of(avatar_user.put(make_image())) == UNAVAILABLE


def test_s3_outage_changes_nothing_and_recovers(make_app: MakeApp) -> None:
    """A killed storage server refuses connections; a paused one accepts them and never responds."""
    with S3() as server:
        avatar_user = AvatarUser.create(make_app(**server.settings))
        name, user = avatar_user.upload(make_image()), avatar_user.avatar_url

        server.pause()
        assert all(unavailable_in_time(avatar_user, name))
        server.resume()
        assert avatar_user.fetch(name).status_code == 200

        server.kill()
        assert all(unavailable_in_time(avatar_user, name))
        assert avatar_user.avatar_url == user

        server.start()  # with a new, empty bucket
        assert avatar_user.fetch(name).status_code == 404
        assert avatar_user.fetch(avatar_user.upload(make_image())).status_code == 200
    assert len(audit_events(avatar_user.app, "avatar_changed")) == 2


def unavailable_in_time(avatar_user: AvatarUser, name: str) -> Iterator[bool]:
    """Return True if uploads and reads both fail with 503 in time."""
    for call in (partial(avatar_user.put, make_image()), partial(avatar_user.fetch, name)):
        started_at = time.monotonic()
        response = call()
        yield error_of(response) == UNAVAILABLE
        yield response.headers["Cache-Control"] == "no-store"
        yield time.monotonic() - started_at < 10


def test_s3_outage_does_not_block_avatar_delete(make_app: MakeApp) -> None:
    """The account is updated immediately; the next purge deletes the file."""
    with S3() as server:
        avatar_user = AvatarUser.create(make_app(**server.settings))
        name = avatar_user.upload(make_image())
        server.pause()
        assert avatar_user.remove().status_code == 200
        assert avatar_user.avatar_url is None
        server.resume()

        clock.travel(HOUR + timedelta(minutes=1))
        purge_avatars(avatar_user.app)
        assert f"avatars/{name}" not in server.object_keys()


def test_s3_hang_blocks_at_most_eight_threads(make_app: MakeApp) -> None:
    """Eight threads wait for the storage. Further requests get 503 immediately."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = {"AWS_BUCKET": "x", "AWS_KEY_ID": "x", "AWS_SECRET_KEY": "y", "AWS_ENDPOINT_URL": url}
        app = make_app(**settings)

        def fetch() -> tuple[tuple[int, str], float]:
            started_at = time.monotonic()
            response = app.test_client().get(f"/avatars/{'A' * 22}.webp")
            return error_of(response), time.monotonic() - started_at

        responses = run_concurrently([fetch] * 24)
    assert sum(error == UNAVAILABLE for error, _ in responses) == 8
    assert max(seconds for error, seconds in responses if error == (503, "overloaded")) < 4


def test_unwritable_avatar_folder_is_unavailable(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "avatars").write_text("in the way")
    avatar_user = AvatarUser.create(make_app())

    assert error_of(avatar_user.put(make_image())) == UNAVAILABLE
    assert error_of(avatar_user.fetch(f"{'A' * 22}.webp")) == UNAVAILABLE
    (tmp_path / "avatars").unlink()
    assert avatar_user.put(make_image()).status_code == 200


def test_storage_failure_refunds_upload_rate_limit(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "avatars").write_text("in the way")
    avatar_user = AvatarUser.create(make_app())
    assert {error_of(avatar_user.put(make_image())) for _ in range(31)} == {UNAVAILABLE}
    (tmp_path / "avatars").unlink()

    assert avatar_user.put(make_image()).status_code == 200


def test_s3_credentials_are_not_in_responses(make_app: MakeApp) -> None:
    settings = {"AWS_BUCKET": "x", "AWS_KEY_ID": "id-7b81", "AWS_SECRET_KEY": "secret-7b81"}
    avatar_user = AvatarUser.create(make_app(**settings, AWS_ENDPOINT_URL="http://127.0.0.1:9"))

    assert "7b81" not in avatar_user.put(make_image()).text


@pytest.mark.parametrize("url", ["http://s3.example.com", "http://10.0.0.1:9000", "s3.example.com", "ftp://s3.example"])
def test_s3_endpoint_without_tls_is_rejected(database: str, url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({"AWS_ENDPOINT_URL": url}, Path("no.env"))
    assert "AWS_ENDPOINT_URL" in str(raised.value)


def test_incomplete_s3_credentials_are_rejected(database: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.load({"FLASKAUTH_ENV": "production", "AWS_BUCKET": "x", "AWS_KEY_ID": "y"}, Path("no.env"))
    assert "AWS_KEY_ID, AWS_SECRET_KEY: set both or neither" in str(raised.value)
