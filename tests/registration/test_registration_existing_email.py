"""Registration with the email address of an existing account: only the account's owner is notified."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.email_change.helpers import change_email
from tests.registration.helpers import (
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_METHODS,
    WRONG_CODE,
    PendingRegistration,
    code_for_id,
    register,
    resend,
    start_registration,
    submit_wrong_codes,
    unused_ip,
    verify,
)
from tests.support.db_snapshot import added_row_counts, row_counts, sent_mail_count, wait_for_outbox
from tests.support.inspect import error_of, hash_count, query_all, single_event
from tests.support.users import CLIENT_IP, OTHER_IP, THIRD_IP, Mailbox, UserFactory

from flaskauth.accounts.models import User
from flaskauth.core import clock

ATTACKER_DATA = {"password": "eleven blue lanterns", "first_name": "Mallory", "last_name": "Intruder"}
NEW_EMAIL = "ada@example.com"


def measure_registration_cost(app: Flask, users: UserFactory, email: str) -> tuple[dict[str, int], int]:
    """Register from an unused network and return the added rows and the hash count."""
    before, hashes_before = row_counts(app), hash_count(app)
    assert register(users.client, email, unused_ip(), **ATTACKER_DATA).status_code == 200
    return added_row_counts(before, row_counts(app)), hash_count(app) - hashes_before


def test_register_existing_email_prevents_enumeration_by_cost(app: Flask, users: UserFactory) -> None:
    users.create_verified()
    users.register(NEW_EMAIL)

    cost = {"one_time_codes": 1, "registrations": 1, "outbox": 1, "audit_events": 1, "rate_limit_counters": 4}, 1
    assert (
        measure_registration_cost(app, users, GRACE_EMAIL) == measure_registration_cost(app, users, NEW_EMAIL) == cost
    )
    assert single_event(app, "registration_existing_email").ip


def test_register_existing_email_notifies_user_without_code(users: UserFactory, mailbox: Mailbox) -> None:
    users.create_verified()
    register(users.client, at=OTHER_IP, **ATTACKER_DATA)
    mail = mailbox.wait(2)[0]

    assert (mail["to"], mail["subject"].lower()) == (GRACE_EMAIL, "you already have an account on flaskauth")
    assert OTHER_IP in mail["text"]
    assert "Mallory" not in mail["text"] + mail["html"]
    with pytest.raises(AssertionError):
        mailbox.code(GRACE_EMAIL)


def test_notice_is_sent_to_verified_email_spelling(users: UserFactory, mailbox: Mailbox) -> None:
    registration = start_registration(users, "Grace.Hopper@example.com")
    assert verify(users.client, registration.code).status_code == 200
    register(users.client, "GRACE.hopper@EXAMPLE.com", **ATTACKER_DATA)

    assert [mail["to"] for mail in mailbox.wait(2)] == ["Grace.Hopper@example.com"] * 2


def create_decoy(app: Flask, users: UserFactory) -> PendingRegistration:
    """Register with the email address of an existing account; the code is derived but never mailed."""
    users.create_verified()
    response = register(users.client, at=OTHER_IP, **ATTACKER_DATA)
    verification_id = response.get_json()["verification_id"]
    wait_for_outbox(app)
    return PendingRegistration(verification_id, code_for_id(app, verification_id))


def test_decoy_code_is_rejected_by_every_method(app: Flask, users: UserFactory) -> None:
    decoy = create_decoy(app, users)

    assert len(decoy.code) == len(WRONG_CODE)
    assert [
        error_of(verify(users.client, decoy.code, **decoy.identifier(method))) for method in VERIFICATION_METHODS
    ] == [INVALID_CODE] * 3
    assert len(query_all(app, select(User))) == 1


def observe_responses(users: UserFactory, email: str, verification_id: str) -> list[Any]:
    """Return everything that the client that started a registration can observe about it."""
    client, observed = users.client, list[Any]()
    for seconds in (0, 60, 120):
        clock.travel(timedelta(seconds=seconds))
        observed.append(resend(client, OTHER_IP, verification_id=verification_id))
        observed.append(resend(client, OTHER_IP, email=email))
    observed.append(register(client, email, OTHER_IP, **ATTACKER_DATA).get_json()["verification_id"] == verification_id)
    observed.append(submit_wrong_codes(client, 6, OTHER_IP, verification_id=verification_id))
    observed.append(submit_wrong_codes(client, 6, OTHER_IP, email=email))
    retry_after = verify(client, WRONG_CODE, OTHER_IP, verification_id=verification_id).get_json()["retry_after"]
    observed.append(round(retry_after / 3600, 1))
    observed.append(register(client, email, OTHER_IP, **ATTACKER_DATA).get_json()["verification_id"] == verification_id)
    return observed


def test_decoy_limits_match_a_real_registration(app: Flask, users: UserFactory) -> None:
    decoy = observe_responses(users, GRACE_EMAIL, create_decoy(app, users).id)
    genuine = observe_responses(users, NEW_EMAIL, users.register(NEW_EMAIL, OTHER_IP, **ATTACKER_DATA))

    exhausted = [401] * 5 + [429]
    assert decoy == genuine == [60, 60, 120, 60, 240, 60, True, exhausted, exhausted, 23.9, False]


def test_register_succeeds_after_email_is_released(app: Flask, users: UserFactory) -> None:
    change = change_email(app)  # the old address stays reserved until the change is reverted
    first = register(users.client, change.email, password=ATTACKER_DATA["password"]).get_json()["verification_id"]
    wait_for_outbox(app)
    change.revert_link.follow(users.client)
    wait_for_outbox(app)

    registration = start_registration(users, change.email, password=ATTACKER_DATA["password"])
    assert registration.id != first
    assert verify(users.client, registration.code, verification_id=registration.id).status_code == 200


def test_decoy_is_never_resent(app: Flask, users: UserFactory) -> None:
    decoy = create_decoy(app, users)
    before = sent_mail_count(app)
    for seconds in (60, 120):
        clock.travel(timedelta(seconds=seconds))
        resend(users.client, THIRD_IP, verification_id=decoy.id)
        resend(users.client, CLIENT_IP, email=GRACE_EMAIL)

    assert sent_mail_count(app) == before
