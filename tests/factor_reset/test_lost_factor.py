"""Removal of lost second factors after a delay: who may request it, what cancels it, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, insert, select, update
from tests.account_deletion.helpers import delete_account
from tests.concurrency.interleaving import run_interleaved
from tests.conftest import MakeApp
from tests.email_change.helpers import find_link
from tests.mfa.helpers import SECOND_FACTOR_REQUIRED, MfaUser
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.registration.helpers import GRACE_EMAIL, INVALID_CODE, WRONG_CODE, code_for_id
from tests.sessions.helpers import SessionClient
from tests.support.db_snapshot import wait_for_outbox
from tests.support.inspect import (
    audit_events,
    error_of,
    execute_statement,
    query_all,
    reject_mails_to,
    run_concurrently,
    single_event,
)
from tests.support.users import CLIENT_IP, OTHER_IP, PASSWORD, UserFactory, code_in_mail, forwarded_for
from tests.user_admin.helpers import AdminCLI
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.jobs import background
from flaskauth.factor_reset import service
from flaskauth.mail.models import DISCARDED, QUEUED, OutboxMail
from flaskauth.mfa.models import FactorReset, TotpFactor
from flaskauth.sessions.models import Session

INVALID_TOKEN = (401, "invalid_token")
DELAY = timedelta(hours=72)


@dataclass
class LostFactor:
    """A user with MFA on, who has lost the only factor and signs in from a network where it was proven."""

    app: Flask
    users: UserFactory
    session: SessionClient

    @classmethod
    def create(cls, app: Flask) -> "LostFactor":
        users = UserFactory(app)
        session = SessionClient(users.client, users.create_verified().login_ok())
        now, [user_id] = clock.now(), query_all(app, select(User.id))
        factor = {"session_id": 1, "name": "phone", "encrypted_secret": b"s", "last_step": 0, "created_at": now}
        execute_statement(app, insert(TotpFactor).values(id=1, user_id=user_id, confirmed_at=now, **factor))
        execute_statement(app, update(User).values(mfa_enabled=True))
        execute_statement(app, update(Session).values(amr="pwd otp mfa"))
        return cls(app, users, session)

    def sign_in(self, password: str = PASSWORD, at: str = CLIENT_IP, **fields: str) -> TestResponse:
        body = {"email": GRACE_EMAIL, "password": password, **fields}
        return self.app.test_client().post("/auth/login", json=body, headers=forwarded_for(at))

    def request(self, at: str = CLIENT_IP, password: str = PASSWORD, **fields: str) -> TestResponse:
        """Sign in with the password, and request the code with the challenge."""
        body = {"challenge_token": self.sign_in(password, at, **fields).get_json()["challenge_token"]}
        return self.app.test_client().post("/auth/lost-factor", json=body, headers=forwarded_for(at))

    def request_code(self) -> dict[str, str]:
        """Request a code and return the body that confirms it."""
        wait_for_outbox(self.app)
        count = len(self.users.mailbox.all())
        reset_id = self.request().get_json()["reset_id"]
        return {"reset_id": reset_id, "otp": code_in_mail(self.users.mailbox.wait(count + 1)[0])}

    def confirm(self, **body: str) -> TestResponse:
        return self.app.test_client().post("/auth/lost-factor/confirm", json=body, headers=forwarded_for(CLIENT_IP))

    def schedule(self) -> None:
        assert self.confirm(**self.request_code()).status_code == 200

    def run_jobs(self) -> None:
        with self.app.app_context():
            service.remind()
            service.perform_due()

    def is_factor_active(self) -> bool:
        [removed_at] = query_all(self.app, select(TotpFactor.removed_at))
        return removed_at is None and error_of(self.sign_in()) == SECOND_FACTOR_REQUIRED


@pytest.fixture
def lost(app: Flask) -> LostFactor:
    return LostFactor.create(app)


def test_lost_factor_is_removed_after_the_delay(app: Flask, lost: LostFactor) -> None:
    before = clock.now()
    response = lost.confirm(**lost.request_code())
    assert response.status_code == 200, response.text
    assert single_event(app, "factor_reset_requested").user_id is not None
    assert before + DELAY <= query_all(app, select(FactorReset.due_at))[0] <= clock.now() + DELAY

    clock.travel(DELAY - timedelta(minutes=5))
    lost.run_jobs()
    assert lost.is_factor_active()
    clock.travel(timedelta(minutes=5))
    lost.run_jobs()
    assert lost.sign_in().status_code == 200
    assert lost.session.is_logged_out()
    assert single_event(app, "factor_reset_done").user_id is not None
    assert lost.users.mailbox.wait(to=GRACE_EMAIL)[0]["subject"].startswith("Your second factors on flaskauth were")


def test_lost_factor_that_is_required_meanwhile_stays(app: Flask, lost: LostFactor) -> None:
    lost.schedule()
    execute_statement(app, update(User).values(mfa_required=True))
    clock.travel(DELAY)
    lost.run_jobs()

    assert lost.is_factor_active()
    assert query_all(app, select(FactorReset)) == []
    assert single_event(app, "factor_reset_cancelled").user_id is not None


def test_lost_factor_mails_a_cancel_link_daily(lost: LostFactor) -> None:
    lost.schedule()
    for count in (4, 5):
        clock.travel(timedelta(days=1))
        lost.run_jobs()
        mails = lost.users.mailbox.wait(count, to=GRACE_EMAIL)[:3]

    assert {mail["subject"] for mail in mails} == {"Your second factors on flaskauth will be removed"}
    assert len({find_link(mail).token for mail in mails}) == 1
    assert all(CLIENT_IP in mail["text"] for mail in mails)


def test_cancel_link_keeps_the_factors(app: Flask, lost: LostFactor) -> None:
    lost.schedule()
    link = find_link(lost.users.mailbox.wait(to=GRACE_EMAIL)[0])
    assert link.follow(app.test_client()).status_code == 200
    assert single_event(app, "factor_reset_cancelled").user_id is not None
    assert error_of(link.follow(app.test_client())) == INVALID_TOKEN

    clock.travel(DELAY)
    lost.run_jobs()
    assert lost.is_factor_active()


@pytest.mark.parametrize("case", ["other network", "no factor proven", "after a reset", "required of the user"])
def test_lost_factor_of_unauthorised_client_is_decoy(app: Flask, lost: LostFactor, case: str) -> None:
    """The network and device of a sign-in before MFA was on are not enough: an attacker may have had the password."""
    at, password, device = CLIENT_IP, PASSWORD, {}
    if case == "other network":
        at = OTHER_IP
    elif case == "no factor proven":
        execute_statement(app, update(Session).values(amr="pwd"))
        device = {"device_token": lost.session.tokens["device_token"]}
    elif case == "after a reset":
        reset = request_reset(lost.users)
        assert reset_password(lost.users.client, reset.code, reset_id=reset.id).status_code == 200
        password = NEW_PASSWORD
        clock.travel(timedelta(days=29))
    else:
        execute_statement(app, update(User).values(mfa_required=True))
    response = lost.request(at, password, **device)
    assert response.status_code == 200
    wait_for_outbox(app)

    reset_id = response.get_json()["reset_id"]
    assert query_all(app, select(OutboxMail.state).where(OutboxMail.template.like("factor_reset/%"))) == [DISCARDED]
    assert error_of(lost.confirm(reset_id=reset_id, otp=code_for_id(app, reset_id))) == INVALID_CODE
    assert query_all(app, select(FactorReset)) == []


def test_lost_factor_on_a_device_with_proven_factor_is_real(app: Flask, lost: LostFactor) -> None:
    app.extensions[background.KEY].stop()
    lost.request(OTHER_IP, device_token=lost.session.tokens["device_token"])

    assert query_all(app, select(OutboxMail.state).where(OutboxMail.template.like("factor_reset/%"))) == [QUEUED]


def test_password_reset_cancels_the_removal(app: Flask, lost: LostFactor) -> None:
    lost.schedule()
    reset = request_reset(lost.users)
    assert reset_password(lost.users.client, reset.code, password=PASSWORD, reset_id=reset.id).status_code == 200

    assert single_event(app, "factor_reset_cancelled").user_id is not None
    clock.travel(DELAY)
    lost.run_jobs()
    assert lost.is_factor_active()


@pytest.mark.parametrize("request_name", ["sign-in", "reauthentication"])
def test_proven_factor_cancels_the_removal(app: Flask, request_name: str) -> None:
    user = MfaUser.create(app)
    lost = LostFactor(app, UserFactory(app), SessionClient(user.client, {"token": user.token}))
    lost.schedule()
    if request_name == "sign-in":
        user.sign_in()
    else:
        assert user.reauthenticate(otp=user.otp()).status_code == 200

    assert single_event(app, "factor_reset_cancelled").user_id is not None
    assert query_all(app, select(FactorReset)) == []


@pytest.mark.parametrize("request_name", ["disable", "delete"])
def test_blocked_account_cancels_the_removal(app: Flask, database: str, tmp_path: Path, request_name: str) -> None:
    user = MfaUser.create(app)
    lost = LostFactor(app, UserFactory(app), SessionClient(user.client, {"token": user.token}))
    lost.schedule()
    if request_name == "disable":
        assert AdminCLI(database, tmp_path).run("disable", GRACE_EMAIL).exit_code == 0
    else:
        assert delete_account(user.client, user.token).status_code == 200

    assert single_event(app, "factor_reset_cancelled").user_id is not None
    assert query_all(app, select(FactorReset)) == []


@pytest.mark.parametrize("request_name", ["sign-in", "reauthentication", "change"])
def test_used_factor_revokes_the_code_of_a_lost_factor(app: Flask, request_name: str) -> None:
    user = MfaUser.create(app)
    lost = LostFactor(app, UserFactory(app), SessionClient(user.client, {"token": user.token}))
    body = lost.request_code()
    if request_name == "sign-in":
        user.sign_in()
    elif request_name == "reauthentication":
        assert user.reauthenticate(otp=user.otp()).status_code == 200
    else:
        assert user.call("POST", "/recovery-codes").status_code == 200

    assert error_of(lost.confirm(**body)) == INVALID_CODE


def test_reset_revokes_the_code_of_a_lost_factor(lost: LostFactor) -> None:
    body = lost.request_code()
    reset = request_reset(lost.users)
    assert reset_password(lost.users.client, reset.code, reset_id=reset.id).status_code == 200

    assert error_of(lost.confirm(**body)) == INVALID_CODE


def test_second_confirmation_does_not_change_the_time(app: Flask, lost: LostFactor) -> None:
    first = lost.confirm(**lost.request_code()).get_json()["due_at"]
    clock.travel(timedelta(hours=2))
    second = lost.confirm(**lost.request_code()).get_json()["due_at"]

    assert first == second
    assert len(audit_events(app, "factor_reset_requested")) == 1


def test_concurrent_confirmations_schedule_one_removal(app: Flask, lost: LostFactor) -> None:
    bodies = [lost.request_code() for _ in range(2)]
    responses = run_concurrently([partial(lost.confirm, **body) for body in bodies])

    assert {response.status_code for response in responses} == {200}
    assert len({response.get_json()["due_at"] for response in responses}) == 1
    assert len(audit_events(app, "factor_reset_requested")) == 1


def test_wrong_code_and_token_of_lost_factor_are_rejected(app: Flask, lost: LostFactor) -> None:
    body = lost.request_code()
    assert error_of(lost.confirm(**{**body, "otp": WRONG_CODE})) == INVALID_CODE
    assert single_event(app, "invalid_code").details == {"purpose": "lost_factor"}
    assert lost.confirm(**body).status_code == 200
    assert error_of(lost.confirm(**body)) == INVALID_CODE
    response = lost.users.client.post("/auth/lost-factor", json={"challenge_token": "x" * 43})
    assert error_of(response) == INVALID_TOKEN


def test_removal_that_is_cancelled_meanwhile_is_not_done(app: Flask, lost: LostFactor) -> None:
    lost.schedule()
    link = find_link(lost.users.mailbox.wait(to=GRACE_EMAIL)[0])
    clock.travel(DELAY)
    _, response = run_interleaved(app, "UPDATE users", lost.run_jobs, partial(link.follow, app.test_client()))

    assert response.status_code == 200
    assert audit_events(app, "factor_reset_done") == []
    assert lost.is_factor_active()


@pytest.mark.parametrize("setting", [{"FACTOR_RESET_DELAY": "0"}, {"SECOND_FACTOR": "required"}])
def test_lost_factor_is_404_if_it_is_off(make_app: MakeApp, setting: dict[str, str]) -> None:
    lost = LostFactor.create(make_app())
    lost.schedule()
    app = make_app(**setting)
    for path in ("/auth/lost-factor", "/auth/lost-factor/confirm"):
        assert error_of(app.test_client().post(path)) == (404, "not_found")

    clock.travel(DELAY)
    LostFactor(app, lost.users, lost.session).run_jobs()
    assert lost.is_factor_active()


def test_report_link_does_not_restore_lost_factors(app: Flask, lost: LostFactor) -> None:
    lost.schedule()
    clock.travel(DELAY)
    lost.run_jobs()
    link = find_link(lost.users.mailbox.wait(to=GRACE_EMAIL)[0])
    assert link.follow(app.test_client()).status_code == 200

    assert query_all(app, select(TotpFactor)) == []
    assert error_of(lost.sign_in()) == (401, "invalid_credentials")
    reset = request_reset(lost.users)
    assert reset_password(lost.users.client, reset.code, reset_id=reset.id).status_code == 200
    assert lost.sign_in(NEW_PASSWORD).status_code == 200


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # the trigger is SQLite's
@pytest.mark.parametrize("job", [service.remind, service.perform_due])
def test_failed_job_for_one_user_does_not_stop_the_others(
    app: Flask, users: UserFactory, job: Callable[[], None]
) -> None:
    for email in ("ada@example.com", GRACE_EMAIL, "zoe@example.com"):
        users.create_verified(email)
    past = clock.now() - timedelta(days=4)
    for user_id in query_all(app, select(User.id)):
        reset = {"link_id": bytes(16), "network": "192.0.2.0/24", "requested_at": past, "due_at": past + DELAY}
        execute_statement(app, insert(FactorReset).values(user_id=user_id, **reset))
    execute_statement(app, delete(OutboxMail))

    with reject_mails_to(app, GRACE_EMAIL), app.app_context(), pytest.raises(ExceptionGroup) as raised:
        job()
    assert len(raised.value.exceptions) == 1
    assert set(query_all(app, select(OutboxMail.recipient))) == {"ada@example.com", "zoe@example.com"}
    with app.app_context():
        job()
    assert GRACE_EMAIL in query_all(app, select(OutboxMail.recipient))
