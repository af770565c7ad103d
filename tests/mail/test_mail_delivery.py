import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from datetime import timedelta
from typing import Any

import pytest
from tests.mail.conftest import MakeHarness
from tests.mail.helpers import GRACE_EMAIL, MailHarness, plain_text, split_lines
from tests.support.inspect import single_event
from tests.support.log_capture import LogCapture

from flaskauth.core import clock
from flaskauth.mail import delivery
from flaskauth.mail.models import DISCARDED, FAILED, QUEUED, SENT, SUPPRESSED, OutboxMail
from flaskauth.mail.smtp import RESPONSE_TIMEOUT

RETRY_DELAY = timedelta(seconds=7)
LEASE = timedelta(seconds=60)


def seconds_until_due(row: OutboxMail) -> float:
    return (row.next_attempt_at - clock.now()).total_seconds()


def test_accepted_mail_is_sent_once(harness: MailHarness) -> None:
    mail_id = harness.enqueue()

    harness.deliver_due()
    harness.deliver_due()
    harness.deliver_due()

    row, [received] = harness.row(mail_id), harness.sink.messages
    assert (row.state, row.attempts, row.last_error, row.leased_until) == (SENT, 1, None, None)
    assert row.sent_at
    assert received.sender == "no-reply@auth.example.com"
    assert received.recipients == (GRACE_EMAIL,)
    assert received.message["Message-ID"] == row.message_id
    assert harness.code(mail_id) in split_lines(plain_text(received))


def test_temporary_failure_is_retried_until_expiry(harness: MailHarness) -> None:
    harness.sink.mode = "tempfail"
    mail_id, expires_at = harness.enqueue(), clock.now() + timedelta(minutes=10)

    waits = []
    while harness.row(mail_id).state == QUEUED:
        harness.deliver_due()
        waits.append(seconds_until_due(harness.row(mail_id)))
        clock.travel(timedelta(seconds=max(0.0, waits[-1])))

    for seconds, expected in zip(waits, [5, 10, 20, 40, 80], strict=False):
        assert expected - 1 < seconds <= expected * 1.25
    row = harness.row(mail_id)
    assert (row.state, row.last_error) == (FAILED, "data 451")
    assert timedelta(0) < expires_at - clock.now() < timedelta(seconds=15)
    assert harness.sink.messages == []
    assert harness.events("mail_rejected") == []


def test_retry_delay_is_capped_at_ten_minutes(harness: MailHarness) -> None:
    harness.sink.mode = "tempfail"
    mail_id = harness.enqueue(lifetime=timedelta(days=1), code_id=None)

    waits = []
    for _ in range(20):
        harness.deliver_due()
        waits.append(seconds_until_due(harness.row(mail_id)))
        clock.travel(timedelta(seconds=waits[-1]))

    assert 599 < min(waits[8:]) < max(waits[8:]) <= 750


def test_deferred_mail_is_sent_when_due(harness: MailHarness) -> None:
    harness.sink.mode = "tempfail"
    mail_id = harness.enqueue()
    harness.deliver_due()
    harness.sink.mode = "ok"

    harness.deliver_due()
    harness.deliver_due()
    assert harness.sink.messages == []

    clock.travel(RETRY_DELAY)
    harness.deliver_due()
    assert harness.row(mail_id).state == SENT
    assert len(harness.sink.messages) == 1


def test_unavailable_smtp_server_is_retried(harness: MailHarness) -> None:
    harness.sink.stop()
    mail_id = harness.enqueue()
    harness.deliver_due()
    row = harness.row(mail_id)
    assert (row.state, row.last_error) == (QUEUED, "connect ConnectionRefusedError")

    harness.sink.start()
    clock.travel(RETRY_DELAY)
    harness.deliver_due()
    assert harness.row(mail_id).state == SENT


def test_mail_debug_logs_smtp_stages(make_harness: MakeHarness) -> None:
    with redirect_stderr(LogCapture()) as log_capture:
        harness = make_harness(MAIL_DEBUG="true")
        harness.enqueue()
        harness.deliver_due()

    assert [(line["stage"], line["reply"]) for line in log_capture.events_named("smtp")] == [
        ("mail", 250),
        ("rcpt", 250),
        ("data", 250),
    ]


def test_unresolvable_smtp_host_is_retried(make_harness: MakeHarness) -> None:
    harness = make_harness(MAIL_SERVER="mail.invalid")
    mail_id = harness.enqueue()

    harness.deliver_due()

    assert (harness.row(mail_id).state, harness.row(mail_id).last_error) == (QUEUED, "connect gaierror")


def test_permanent_rejection_is_recorded_and_not_retried(harness: MailHarness) -> None:
    harness.sink.mode = "reject"
    mail_id = harness.enqueue()
    harness.deliver_due()

    harness.sink.mode = "ok"
    clock.travel(timedelta(minutes=1))
    harness.deliver_due()
    harness.deliver_due()

    row = harness.row(mail_id)
    assert (row.state, row.attempts, row.last_error) == (FAILED, 1, "rcpt 550")
    assert harness.events("mail_rejected") == [{"mail_id": mail_id, "reply": 550}]
    assert harness.sink.messages == []


def test_unconfirmed_mail_fails_after_eight_attempts(harness: MailHarness) -> None:
    harness.sink.mode = "drop"
    mail_id = harness.enqueue(lifetime=timedelta(days=2), code_id=None)
    for _ in range(12):
        harness.deliver_due()
        clock.travel(timedelta(minutes=15))

    row = harness.row(mail_id)
    assert (row.state, row.attempts, row.last_error) == (FAILED, 8, "data SMTPServerDisconnected")
    assert len(harness.sink.messages) == 8


def test_slow_smtp_server_receives_mail_once(harness: MailHarness) -> None:
    harness.sink.mode = "keep"
    mail_id = harness.enqueue()
    with ThreadPoolExecutor() as pool:
        delivery_future = pool.submit(harness.deliver_due)
        time.sleep(RESPONSE_TIMEOUT + 1)
        harness.sink.mode = "ok"
        delivery_future.result(10)

    assert (harness.row(mail_id).state, harness.row(mail_id).attempts) == (SENT, 1)
    assert len(harness.sink.messages) == 1


def test_unconfirmed_mail_is_resent_with_same_message_id(harness: MailHarness) -> None:
    harness.sink.mode = "drop"
    mail_id = harness.enqueue()
    harness.deliver_due()
    assert harness.row(mail_id).state == QUEUED

    harness.sink.mode = "ok"
    clock.travel(RETRY_DELAY)
    harness.deliver_due()

    first, second = harness.sink.messages
    assert harness.row(mail_id).state == SENT
    assert first.message["Message-ID"] == second.message["Message-ID"] == harness.row(mail_id).message_id
    assert first.message["Date"] == second.message["Date"]
    assert plain_text(first) == plain_text(second)
    assert harness.code(mail_id) in split_lines(plain_text(first))


def test_discarded_and_suppressed_mails_are_not_sent(harness: MailHarness) -> None:
    mails = [harness.enqueue(state=DISCARDED), harness.enqueue(state=SUPPRESSED)]

    harness.deliver_due()

    assert [harness.row(mail_id).state for mail_id in mails] == [DISCARDED, SUPPRESSED]
    assert harness.sink.messages == []


def test_an_expired_mail_is_not_sent(harness: MailHarness) -> None:
    mail_id = harness.enqueue(code_id=None, lifetime=timedelta(minutes=3))
    clock.travel(timedelta(minutes=3, seconds=1))

    harness.deliver_due()

    row = harness.row(mail_id)
    assert (row.state, row.last_error, harness.sink.messages) == (DISCARDED, "expired", [])


@pytest.mark.parametrize("reason", ["used", "expired", "deleted"])
def test_mail_with_invalid_code_is_not_sent(harness: MailHarness, reason: str) -> None:
    fields: dict[str, Any] = {"code_id": b"?" * 16} if reason == "deleted" else {}
    mail_id = harness.enqueue(lifetime=timedelta(days=1), **fields)
    if reason == "used":
        harness.use_code(mail_id)
    if reason == "expired":
        clock.travel(timedelta(minutes=10, seconds=1))

    harness.deliver_due()

    row = harness.row(mail_id)
    assert (row.state, row.last_error, harness.sink.messages) == (DISCARDED, "its code is no longer valid", [])


def test_mail_with_invalid_code_is_rendered_like_others(harness: MailHarness) -> None:
    """A mail to an unknown email address causes the same work as others. Only a mail that is rendered can be broken."""
    mail_id = harness.enqueue(code_id=b"?" * 16, template="registration/no_such")

    harness.deliver_due()

    assert (harness.row(mail_id).state, harness.row(mail_id).last_error) == (FAILED, "cannot be rendered")


@pytest.mark.parametrize(
    "broken_fields", [{"template": "registration/no_such"}, {"template": "?"}, {"context": {"a": "b"}}]
)
def test_unrenderable_mail_does_not_block_others(harness: MailHarness, broken_fields: dict[str, Any]) -> None:
    broken_id = harness.enqueue(**broken_fields)
    valid_id = harness.enqueue("ada@example.com")

    harness.deliver_due()
    harness.deliver_due()

    row = harness.row(broken_id)
    assert (row.state, row.last_error, row.attempts) == (FAILED, "cannot be rendered", 1)
    assert harness.events("mail_not_rendered") == [{"mail_id": broken_id}]
    assert harness.row(valid_id).state == SENT
    assert [received.recipients for received in harness.sink.messages] == [("ada@example.com",)]


@pytest.mark.parametrize(
    "recipient",
    [
        "grace@example.com\r\nBcc: eve@example.com",
        "grace@example.com\nBcc: e@e.com",
        "eve@example.com, grace@example.com",
        "=?utf-8?b?eEB5LnoNCkJjYzogdmljdGltQGV4YW1wbGUubmV0DQpYOiA=?=@example.com",
        "=?utf-8?q?eve=40example=2Eorg=2C?=@example.com",
        "eve\uff20example.org@example.com",
        "grace\x85@example.com",
        '"grace"@example.com',
        "",
    ],
)
def test_ambiguous_recipient_is_never_sent(harness: MailHarness, recipient: str) -> None:
    ambiguous_id = harness.enqueue(recipient)
    valid_id = harness.enqueue("ada@example.com")

    harness.deliver_due()

    assert (harness.row(ambiguous_id).state, harness.row(valid_id).state) == (FAILED, SENT)
    assert [received.recipients for received in harness.sink.messages] == [("ada@example.com",)]
    assert single_event(harness.app, "mail_not_rendered").details == {"mail_id": ambiguous_id}


def test_oldest_mails_are_sent_first(harness: MailHarness) -> None:
    for number in range(3 * delivery.CONCURRENCY):
        harness.enqueue(f"p{number}@example.com", code_id=None)
        clock.travel(timedelta(seconds=1))

    harness.deliver_due()

    numbers = [int(received.recipients[0][1:].partition("@")[0]) for received in harness.sink.messages]
    assert sorted(numbers) == [*range(3 * delivery.CONCURRENCY)]
    assert all(number < position + delivery.CONCURRENCY for position, number in enumerate(numbers))


def test_mails_are_sent_concurrently(harness: MailHarness) -> None:
    for number in range(delivery.CONCURRENCY):
        harness.enqueue(f"p{number}@example.com", code_id=None)
    harness.sink.mode = "keep"

    with ThreadPoolExecutor(1) as pool:
        delivery_future = pool.submit(harness.deliver_due)
        harness.sink.wait_for(lambda _: len(harness.sink.messages) == delivery.CONCURRENCY)
        harness.sink.mode = "ok"
        delivery_future.result(30)

    assert {row.state for row in harness.rows()} == {SENT}


def test_deliver_due_sends_more_than_one_batch(harness: MailHarness) -> None:
    for _ in range(delivery.CLAIM_SIZE + 5):
        harness.enqueue(code_id=None)

    harness.deliver_due()

    assert {row.state for row in harness.rows()} == {SENT}
    assert len(harness.sink.messages) == delivery.CLAIM_SIZE + 5


def test_development_marks_mail_sent_without_smtp(dev_harness: MailHarness) -> None:
    mail_id = dev_harness.enqueue()

    dev_harness.deliver_due()

    assert dev_harness.row(mail_id).state == SENT
    assert dev_harness.sink.messages == []
