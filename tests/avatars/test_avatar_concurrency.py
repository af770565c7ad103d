"""After concurrent changes and crashes, each user has one avatar and one file for it."""

import subprocess
import sys
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
from tests.avatars.helpers import AvatarUser, avatar_name, purge_avatars, stored_files
from tests.avatars.sample_images import make_image, make_png
from tests.support.inspect import error_of, execute_statement, in_transaction, run_concurrently
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.avatars import images, service
from flaskauth.core import clock
from flaskauth.core.db.session import db

HOUR = timedelta(hours=1)
SMALL = make_png(8, 8)


@pytest.fixture
def avatar_user(app: Flask) -> AvatarUser:
    return AvatarUser.create(app)


def test_parallel_uploads_keep_one_avatar_and_one_file(app: Flask, avatar_user: AvatarUser) -> None:
    avatar_user.upload(SMALL)
    responses = run_concurrently([partial(avatar_user.put, SMALL)] * 8)

    assert {response.status_code for response in responses} <= {200, 503}
    names = {avatar_name(response) for response in responses if response.status_code == 200}
    assert len(names) > 1
    assert stored_files(app) <= names
    assert avatar_user.avatar_url == f"http://localhost:5000/avatars/{stored_files(app).pop()}"
    assert len(stored_files(app)) == 1


def test_parallel_upload_and_delete_leave_no_orphaned_file(app: Flask, avatar_user: AvatarUser) -> None:
    for _ in range(3):
        avatar_user.upload(SMALL)
        functions: list[Callable[[], TestResponse]] = [
            partial(avatar_user.put, SMALL),
            avatar_user.remove,
            avatar_user.remove,
        ]
        assert {response.status_code for response in run_concurrently(functions)} <= {200, 503}

        avatar_url = avatar_user.avatar_url
        assert stored_files(app) == ({avatar_url.rpartition("/")[2]} if avatar_url else set())


def test_retried_transaction_stores_one_file(app: Flask, avatar_user: AvatarUser) -> None:
    """The transaction fails twice at the update of the user. The image is decoded and stored once."""
    with app.app_context():
        engine = db.engine
    failures = iter([True, True])

    def fail_update(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("UPDATE users") and "avatar" in statement and next(failures, False):
            raise DBAPIError("UPDATE", None, Exception(1213))

    event.listen(engine, "before_cursor_execute", fail_update)
    name = avatar_user.upload(SMALL)
    event.remove(engine, "before_cursor_execute", fail_update)

    assert next(failures, "spent") == "spent"
    assert stored_files(app) == {name}


def test_too_many_parallel_uploads_are_overloaded(app: Flask, avatar_user: AvatarUser) -> None:
    """One upload is decoded and a few wait. There is no memory for more."""
    large = make_png(5000, 5000, 6)
    responses = run_concurrently([partial(avatar_user.put, large)] * 20)

    errors = {response.status_code for response in responses}
    assert errors == {200, 503}
    assert {error_of(response) for response in responses if response.status_code == 503} == {(503, "overloaded")}
    assert len(stored_files(app)) == 1


def test_upload_queue_holds_nine_and_rejects_the_rest(app: Flask, avatar_user: AvatarUser) -> None:
    """A slow upload is being decoded."""
    release = threading.Event()
    images._executor.submit(release.wait, 30)

    def put() -> tuple[tuple[int, str], float]:
        started_at = time.monotonic()
        return error_of(avatar_user.put(SMALL)), time.monotonic() - started_at

    responses = run_concurrently([put] * 14)
    release.set()
    assert {errors for errors, _ in responses} == {(503, "overloaded")}
    assert sum(seconds >= images.MAX_WAIT for _, seconds in responses) == 9
    assert stored_files(app) == set()
    assert avatar_user.put(SMALL).status_code == 200


def test_purge_deletes_orphaned_files_after_one_hour(app: Flask, avatar_user: AvatarUser, tmp_path: Path) -> None:
    """Younger files may belong to a running upload. Files with a different kind of name are not deleted."""
    own_file = avatar_user.upload(make_image())
    orphans = [f"{number:022}.webp" for number in range(1200)]
    for name in (*orphans, "readme.txt", "x.webp"):
        (tmp_path / "avatars" / name).write_bytes(b"x")

    purge_avatars(app)
    assert stored_files(app) == {own_file, *orphans, "readme.txt", "x.webp"}

    clock.travel(HOUR + timedelta(minutes=1))
    purge_avatars(app)
    assert stored_files(app) == {own_file, "readme.txt", "x.webp"}
    assert avatar_user.fetch(own_file).status_code == 200


def test_purge_keeps_avatars_in_use(app: Flask, avatar_user: AvatarUser) -> None:
    names = {avatar_user.upload(make_image()), AvatarUser.create(app, "ada@example.com").upload(make_image())}

    clock.travel(timedelta(days=400))
    purge_avatars(app)
    assert stored_files(app) == names


def test_purge_without_avatar_folder_does_nothing(app: Flask) -> None:
    purge_avatars(app)

    assert stored_files(app) == set()


def test_delete_later_removes_file_after_commit(app: Flask, avatar_user: AvatarUser) -> None:
    name = avatar_user.upload(make_image())

    def files_before_commit() -> set[str]:
        service.delete_later(name)
        return stored_files(app)

    assert in_transaction(app, files_before_commit) == {name}
    assert stored_files(app) == set()


def test_delete_later_keeps_file_on_rollback(app: Flask, avatar_user: AvatarUser) -> None:
    name = avatar_user.upload(make_image())

    def fail_after_delete() -> None:
        service.delete_later(name)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        in_transaction(app, fail_after_delete)
    assert stored_files(app) == {name}


@pytest.mark.parametrize("name", ["../secret_key", "/etc/passwd", "http://other.example/me.png", "", "x" * 250])
def test_invalid_stored_avatar_name_deletes_no_file(
    app: Flask, avatar_user: AvatarUser, name: str, tmp_path: Path
) -> None:
    """A name as another system may have stored it."""
    (tmp_path / "secret_key").write_text("kept")
    execute_statement(app, update(User).values(avatar=name))

    name = avatar_user.upload(make_image())
    assert stored_files(app) == {name}
    assert (tmp_path / "secret_key").read_text() == "kept"


def test_avatar_folder_is_readable_by_owner_only(app: Flask, avatar_user: AvatarUser, tmp_path: Path) -> None:
    avatar_user.upload(make_image())

    assert (tmp_path / "avatars").stat().st_mode & 0o777 == 0o700


FIRST_CALLS_DURING_IMPORT = """
import sys, threading
from importlib import _bootstrap, util
from pathlib import Path
from flaskauth.avatars.storage import Storage
from flaskauth.settings import Settings

spec = util.find_spec("obstore")
sys.modules["obstore"], spec._initializing = util.module_from_spec(spec), True
environ = {"FLASKAUTH_ENV": "development", "FLASKAUTH_INSTANCE_PATH": sys.argv[1]}
storage = Storage(Settings.load(environ, Path("no.env")))
names = []
with _bootstrap._ModuleLockManager("obstore"):
    thread = threading.Thread(target=lambda: names.append(storage.put(b"image")))
    thread.start()
    thread.join(0.3)
    spec.loader.exec_module(sys.modules["obstore"])
    spec._initializing = False
thread.join()
assert names
"""


def test_first_uploads_wait_for_import_in_other_thread(tmp_path: Path) -> None:
    """The library is imported at the first upload. A second upload must not use it before the import is complete."""
    subprocess.run([sys.executable, "-c", FIRST_CALLS_DURING_IMPORT, tmp_path], check=True, timeout=60)
