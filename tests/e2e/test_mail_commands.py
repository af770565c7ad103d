"""The `flaskauth mail` commands: list, show, and retry of failed mail."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.e2e import leaks
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.e2e.scenario import UserScenario
from tests.servers import free_port

EMAIL = "grace@example.com"
MARK_FAILED = "UPDATE outbox SET state = 'failed', sent_at = NULL, last_error = 'rcpt 550'"
SELECT_MAILS = "SELECT id, state, last_error FROM outbox"


@contextmanager
def serve_workspace(folder: Path) -> Iterator[UserScenario]:
    """Serve the folder, and yield a user on this machine."""
    port = free_port()
    with (
        Workspace(folder).start("flaskauth", "serve", "--port", str(port)) as server,
        closing(HttpClient(port)) as http_client,
    ):
        server.wait_until(http_client.is_ready)
        yield UserScenario(http_client, http_client.code_for, EMAIL)


def run_sql(folder: Path, statement: str) -> list[tuple[int, str, str | None]]:
    with closing(sqlite3.connect(folder / "instance/flaskauth.db")) as database, database:
        return database.execute(statement).fetchall()


@pytest.fixture
def verified_user(tmp_path: Path) -> UserScenario:
    """A user who has received a mail; the server is stopped."""
    with serve_workspace(tmp_path) as user:
        user.register_and_verify()
    return user


def test_mail_list_and_show_hide_content_and_recipient(tmp_path: Path, verified_user: UserScenario) -> None:
    [(mail_id, *_)] = run_sql(tmp_path, SELECT_MAILS)
    mail_list, mail_details = (
        Workspace(tmp_path).run("flaskauth", "mail", *command) for command in (("list",), ("show", str(mail_id)))
    )

    assert max(map(len, mail_list.splitlines())) <= 100
    assert re.search(r"registration/verify_email +g\*\*\*@example.com +sent", mail_list)
    for label, pattern in (
        ("To", r"g\*\*\*@example.com"),
        ("State", "sent"),
        ("Attempts", "1"),
        ("Message-ID", "<.+>"),
    ):
        assert re.search(rf"^ *{label} +{pattern} *$", mail_details, re.MULTILINE), mail_details
    assert EMAIL not in mail_list + mail_details
    assert not leaks.find_leaks(verified_user.secrets, {"output": (mail_list + mail_details).encode()})


def test_mail_retry_requeues_failed_mail(tmp_path: Path, verified_user: UserScenario) -> None:
    run_sql(tmp_path, MARK_FAILED)
    [(mail_id, *_)] = run_sql(tmp_path, SELECT_MAILS)

    assert "1 mails will be retried." in Workspace(tmp_path).run("flaskauth", "mail", "retry", str(mail_id))
    assert run_sql(tmp_path, SELECT_MAILS) == [(mail_id, "queued", "rcpt 550")]
    run_sql(tmp_path, MARK_FAILED)
    assert "1 mails will be retried." in Workspace(tmp_path).run("flaskauth", "mail", "retry", "--failed")
    assert run_sql(tmp_path, SELECT_MAILS) == [(mail_id, "queued", "rcpt 550")]


def test_mail_retry_of_sent_or_unknown_mail_is_rejected(tmp_path: Path, verified_user: UserScenario) -> None:
    [(mail_id, *_)] = run_sql(tmp_path, SELECT_MAILS)
    for command, message in {
        ("retry", str(mail_id)): f"Mail {mail_id} will not be retried: its state is sent.",
        ("retry", "7"): "Mail 7 does not exist.",
        ("show", "7"): "Mail 7 does not exist.",
        ("retry",): "Specify either mail ids or --failed.",
        ("retry", "7", "--failed"): "Specify either mail ids or --failed.",
    }.items():
        output = Workspace(tmp_path).run("flaskauth", "mail", *command, expect=None)
        assert message in output
        assert "Traceback" not in output
