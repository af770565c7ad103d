"""Parallel mail delivery, signing key rotation and avatar uploads in several processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from tests.avatars.helpers import stored_files
from tests.avatars.sample_images import make_image
from tests.concurrency.conftest import Rounds
from tests.concurrency.parallel_requests import OVERLOADED, PreparedRequest, statuses
from tests.concurrency.servers import ServerPair
from tests.support.inspect import execute_statement

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.mail import outbox
from flaskauth.mail.models import QUEUED, SENT, OutboxMail
from flaskauth.mail.outbox import Message
from flaskauth.signing_keys import service as signing_keys
from flaskauth.signing_keys.models import SigningKey

ROOT = Path(__file__).parents[2]


@pytest.fixture
def outbox_workers(server_pair: ServerPair) -> Iterator["subprocess.Popen[str]"]:
    """Four processes that only deliver the outbox."""
    command = [sys.executable, "-m", "tests.concurrency.outbox_workers"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        (server_pair.workspace.folder / "outbox_workers.log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env=server_pair.workspace.environment, stderr=log, **pipes) as process,  # type: ignore[call-overload]
    ):
        yield process  # they exit at the end of their input


def run_outbox_workers(workers: "subprocess.Popen[str]") -> None:
    assert workers.stdin
    assert workers.stdout
    workers.stdin.write("\n")
    workers.stdin.flush()
    for line in workers.stdout:
        if line == "done\n":
            return
    raise AssertionError("the workers exited")


def create_mails(server_pair: ServerPair, user_id: int, count: int) -> list[int]:
    """Create queued mails without notifying the worker."""

    def insert_mails() -> list[int]:
        user = db.session.get_one(User, user_id)
        expires_at = clock.now() + outbox.NOTIFICATION_LIFETIME
        message = Message("passwords/password_changed", user.email, outbox.request_details("here"), expires_at)
        mails = [outbox._build_row(message, QUEUED) for _ in range(count)]
        ids = [mail.id for mail in mails]
        db.session.add_all(mails)
        return ids

    return server_pair.run_as_request(insert_mails)


def test_parallel_outbox_workers_send_each_mail_once(
    server_pair: ServerPair, rounds: Rounds, outbox_workers: "subprocess.Popen[str]"
) -> None:
    """The two server processes deliver the same outbox periodically."""
    for _ in rounds(6):
        user = server_pair.create_user()
        ids = create_mails(server_pair, user.user_id, 20)
        run_outbox_workers(outbox_workers)
        server_pair.settle()

        mails = server_pair.rows(select(OutboxMail).where(OutboxMail.id.in_(ids)))
        assert {(mail.state, mail.attempts) for mail in mails} == {(SENT, 1)}
        sent = [mail for mail in server_pair.sink.messages if mail.recipients == (user.email,)]
        assert len(sent) == len(ids)


def test_parallel_signing_key_rotation_keeps_tokens_valid(server_pair: ServerPair, rounds: Rounds) -> None:
    for _ in rounds(10):
        users = [server_pair.create_user() for _ in range(4)]
        profiles = [PreparedRequest("GET", "/users/profile", token=user.tokens.token) for user in users]
        responses = server_pair.send_parallel(
            [*profiles, *[user.prepare_refresh() for user in users], *profiles],
            signing_keys.rotate,
            signing_keys.rotate,
        )
        tokens = [response.body["token"] for response in responses if "token" in response.body]
        checks = server_pair.send_parallel(
            [PreparedRequest("GET", "/users/profile", token=token) for token in tokens * 4]
        )

        assert set(statuses([*responses, *checks])) <= {200, OVERLOADED}
        execute_statement(server_pair.app, delete(SigningKey).where(SigningKey.active_from > clock.now()))


def test_twenty_parallel_avatar_uploads_keep_one_file(server_pair: ServerPair, rounds: Rounds) -> None:
    files = [make_image(size=(16, 16 + number)) for number in range(20)]
    for _ in rounds(5):
        user, files_before = server_pair.create_user(), stored_files(server_pair.app)
        responses = server_pair.send_parallel(
            [PreparedRequest("PUT", "/users/avatar", file, user.tokens.token) for file in files]
        )

        assert set(statuses(responses)) <= {200, OVERLOADED}
        [avatar] = server_pair.rows(select(User.avatar).where(User.id == user.user_id))
        assert stored_files(server_pair.app) - files_before == {avatar}
