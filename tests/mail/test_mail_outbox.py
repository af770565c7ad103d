import contextlib
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import inspect
from tests.mail.conftest import MakeHarness
from tests.mail.helpers import GRACE_EMAIL, MailHarness, ManualBackgroundWorker
from tests.servers import Redis, free_port

from flaskauth.core import clock
from flaskauth.core.db.session import transaction
from flaskauth.core.jobs import background
from flaskauth.core.jobs.celery_app import get_celery
from flaskauth.mail import dispatch, outbox, service
from flaskauth.mail.models import DISCARDED, FAILED, QUEUED, SENT, SUPPRESSED, OutboxMail
from flaskauth.mail.outbox import Message

STATES = (QUEUED, DISCARDED, SUPPRESSED)


def take_notifications(harness: MailHarness) -> int:
    worker = harness.app.extensions[background.KEY]
    assert isinstance(worker, ManualBackgroundWorker)
    return worker.take_notifications()


@pytest.mark.parametrize("state", STATES)
def test_outbox_commit_notifies_worker(harness: MailHarness, state: str) -> None:
    harness.enqueue(state=state)

    assert take_notifications(harness) == 1


def test_outbox_commits_of_a_moment_share_one_notification(harness: MailHarness) -> None:
    """The notification is sent START_DELAY after the first of these commits, so the worker finds all of them."""
    with harness.app.app_context():
        state = dispatch._get_state()
        for next_dispatch_at, notifications in ((0.0, 1), (time.monotonic() + 60, 0), (0.0, 1)):
            state.next_dispatch_at = next_dispatch_at
            dispatch.notify_worker()
            assert take_notifications(harness) == notifications


def test_outbox_rollback_leaves_no_mail_or_notification(harness: MailHarness) -> None:
    def write() -> None:
        outbox.enqueue(Message("registration/already_registered", GRACE_EMAIL, {}, clock.now()))
        raise ZeroDivisionError

    with harness.app.app_context(), pytest.raises(ZeroDivisionError):
        transaction(write)

    assert harness.rows() == []
    assert take_notifications(harness) == 0


def test_message_id_is_unique_and_names_the_server(harness: MailHarness) -> None:
    ids = [harness.row(harness.enqueue()).message_id for _ in range(5)]

    assert len(set(ids)) == 5
    assert all(re.fullmatch(r"<[0-9a-f]{32}@auth\.example\.com>", message_id) for message_id in ids)


def test_outbox_row_never_contains_the_code(harness: MailHarness) -> None:
    mail_id = harness.enqueue()
    before = column_values(harness.row(mail_id))
    harness.deliver_due()
    code = harness.code(mail_id)

    for values in (before, column_values(harness.row(mail_id))):
        assert code not in values
        assert code.replace("-", "") not in values


def column_values(row: OutboxMail) -> str:
    return repr([getattr(row, column.key) for column in inspect(OutboxMail).column_attrs])


def test_background_thread_delivers_notified_mail(harness: MailHarness) -> None:
    harness.app.extensions[background.KEY] = thread = background.BackgroundWorker(harness.app)

    mail_id = harness.enqueue()

    harness.sink.wait_for(lambda received: received.recipients == (GRACE_EMAIL,))
    thread.stop()
    assert harness.row(mail_id).state == SENT


def test_celery_task_carries_no_mail(make_harness: MakeHarness, redis: Redis) -> None:
    own_database = redis.url.removesuffix("/0") + "/1"  # applications of earlier tests may still send tasks to theirs
    harness = make_harness(REDIS_URL=own_database)

    with harness.app.app_context():
        dispatch._dispatch()
        [task] = take_tasks(get_celery(harness.app))

    assert task.headers["task"] == dispatch.TASK_NAME == "flaskauth.mail.deliver"
    assert task.payload[:2] == [[], {}]


def take_tasks(celery: Celery) -> Iterator[Any]:
    with celery.connection_for_read() as connection:
        queue = connection.SimpleQueue(celery.conf.task_default_queue)
        with contextlib.suppress(queue.Empty):
            while True:
                message = queue.get(timeout=1)
                message.ack()
                yield message


def test_messages_of_a_lost_worker_are_all_restored(make_harness: MakeHarness, redis: Redis) -> None:
    celery = get_celery(make_harness(REDIS_URL=redis.url).app)
    with celery.connection_for_read() as connection:
        channel, queue = connection.default_channel, celery.conf.task_default_queue
        for _ in range(3):
            celery.send_task(dispatch.TASK_NAME)
        tags = [channel.basic_get(queue).delivery_tag for _ in range(3)]
        channel.client.zadd(channel.unacked_index_key, dict.fromkeys(tags, 0))  # received in 1970, not acknowledged
        channel.qos.restore_visible(num=channel.unacked_restore_limit)
        assert channel.client.llen(queue) == 3

    assert len([*take_tasks(celery)]) == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_unavailable_broker_does_not_block_outbox_delivery(
    make_harness: MakeHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    harness = make_harness(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    clock.travel(timedelta(days=300))  # no earlier test has reported an outage within this minute
    mail_id = harness.enqueue()

    started = time.monotonic()
    with harness.app.app_context():
        for _ in range(20):
            dispatch._dispatch()
    harness.deliver_due()

    assert time.monotonic() - started < 4
    assert capsys.readouterr().err.count("redis_unavailable") == 1  # by this test, or a thread of an earlier one
    assert harness.row(mail_id).state == SENT


def test_recent_mails_hide_codes_and_mask_addresses(harness: MailHarness) -> None:
    first, second = harness.enqueue("ada@example.com", state=SUPPRESSED), harness.enqueue()
    harness.sink.mode = "reject"
    harness.deliver_due()

    with harness.app.app_context():
        mails, failed, newest = service.list_recent(10), service.list_recent(10, FAILED), service.list_recent(1)

    assert [mail.id for mail in mails] == [second, first]
    assert [mail.recipient for mail in mails] == ["g***@example.com", "a***@example.com"]
    assert failed == newest == mails[:1]
    assert (failed[0].last_error, failed[0].attempts) == ("rcpt 550", 1)
    assert harness.code(first) not in repr(mails)


@pytest.mark.parametrize(
    ("state", "days"), [(SENT, 7), (DISCARDED, 7), (SUPPRESSED, 7), (FAILED, 30), (QUEUED, None)], ids=str
)
def test_outbox_purge_respects_retention_per_state(harness: MailHarness, state: str, days: int | None) -> None:
    harness.enqueue(state=state, code_id=None)

    clock.travel(timedelta(days=days or 365) - timedelta(minutes=1))
    assert purge(harness) == 0
    clock.travel(timedelta(minutes=2))
    assert purge(harness) == (0 if days is None else 1)
    assert len(harness.rows()) == (1 if days is None else 0)


def purge(harness: MailHarness) -> int:
    with harness.app.app_context():
        return transaction(service.purge)
