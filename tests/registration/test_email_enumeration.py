"""Responses and their cost reveal nothing about an email address to an unauthenticated client."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp, databases
from tests.login.helpers import LoginClient
from tests.registration.email_states import (
    ID_NAMES,
    PENDING_PASSWORD,
    STATES,
    EmailProbe,
    ResponseRecorder,
    ScenarioSetup,
    create_email_states,
    make_probes,
)
from tests.registration.helpers import WRONG_CODE, unused_ip
from tests.support.inspect import in_transaction, statement_counts
from tests.support.route_catalog import Route, all_routes
from tests.support.users import PASSWORD, UserFactory, registration_form
from werkzeug.test import TestResponse

from flaskauth.accounts.schemas import EmailField
from flaskauth.core import clock
from flaskauth.core.db.session import db
from flaskauth.mail import rate_limits as mail_limits
from flaskauth.one_time_codes.schemas import CodeField, VerificationIdField
from flaskauth.rate_limits import service as rate_limits
from flaskauth.rate_limits.models import RateLimitCounter

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PASSWORD_LOGIN_STATES = {"account", "decoy", "pending_deletion", "respelled"}
REJECTED_LOGIN_STATES = tuple(state for state in STATES if state not in PASSWORD_LOGIN_STATES)


@dataclass(frozen=True)
class Step:
    """A request about an email address, identified by the address or by an id from an earlier response."""

    path: str
    body: dict[str, str]
    identifier: str = "email"
    pause: int = 0
    ip: str | None = None

    def send(self, probe: EmailProbe) -> TestResponse:
        probe.ip = self.ip or probe.ip
        return probe.post(self.path, self.body, self.identifier)

    @property
    def field_names(self) -> set[str]:
        return {*self.body, self.identifier} - {""}


@dataclass(frozen=True)
class Scenario:
    """A sequence of requests for one email address and the status of its last response."""

    steps: Sequence[Step]
    final_status: int
    setup: ScenarioSetup = lambda _app, _email: None
    states: tuple[str, ...] = STATES


def register(password: str, pause: int = 0) -> Step:
    body = registration_form(first_name="Mallory", last_name="Intruder", password=password)
    return Step("/auth/register", body, pause=pause)


def verify(identifier: str = "email") -> Step:
    return Step("/auth/verify", {"otp": WRONG_CODE}, identifier)


def resend(pause: int, identifier: str = "email") -> Step:
    return Step("/auth/resend", {}, identifier, pause)


def login(password: str = PENDING_PASSWORD, at: str | None = None) -> Step:
    return Step("/auth/login", {"password": password}, ip=at)


def reset(identifier: str) -> Step:
    return Step("/auth/reset-password", {"otp": WRONG_CODE, "password": PASSWORD}, identifier)


def sign_in_with_code(identifier: str) -> Step:
    return Step("/auth/email-code/verify", {"otp": WRONG_CODE}, identifier)


def exhaust_daily_mails(app: Flask, email: str) -> None:
    """Set the mail counter of the email address to its daily limit."""
    limit, window = mail_limits.EMAIL_LIMIT.limit, mail_limits.EMAIL_LIMIT.window
    key = rate_limits.counter_key("mail", email.lower())
    in_transaction(
        app, lambda: db.session.merge(RateLimitCounter(key=key, count=limit, resets_at=clock.now() + window))
    )


def lock_email(app: Flask, email: str) -> None:
    LoginClient(app, email.lower()).lock_email()


def set_100_failures(app: Flask, email: str) -> None:
    LoginClient(app, email.lower()).set_consecutive_failures(100)


LOST_FACTOR = Step("/auth/lost-factor/confirm", {"otp": WRONG_CODE}, "reset_id")
FORGOT_PASSWORD = Step("/auth/forgot-password", {})
EMAIL_CODE = Step("/auth/email-code", {})
PASSWORDS = ("eleven blue lanterns", "seventeen red anvils", "nine tall ladders", "forty small bridges")
VERIFICATION_ID, RESET_ID, SIGN_IN_ID = ID_NAMES
LOGIN_STEPS = [login(), login(PASSWORD), login(at="192.0.2.71"), login(PASSWORD, at="192.0.2.72")]

SCENARIOS = {
    "register repeatedly": Scenario([register(password) for password in PASSWORDS], 200),
    "register and resend by registering": Scenario(
        [register(PASSWORDS[0], pause) for pause in (0, 0, 60, 120, 240)], 200
    ),
    "register over the daily mail limit": Scenario([register(PASSWORDS[0])], 200, exhaust_daily_mails),
    "verify by email": Scenario([verify()] * 6, 429),
    "verify by id": Scenario([register(PASSWORDS[0]), *[verify(VERIFICATION_ID)] * 6], 429),
    "verify by code": Scenario([verify("")] * 11, 429),
    "resend by email": Scenario([resend(pause) for pause in (0, 60, 120, 240, 480)], 200),
    "resend by id": Scenario(
        [register(PASSWORDS[0]), *(resend(pause, VERIFICATION_ID) for pause in (0, 60, 120, 240))], 200
    ),
    "resend over the daily mail limit": Scenario([resend(0), resend(60)], 200, exhaust_daily_mails),
    "login": Scenario([*[login()] * 5, login(), login(PASSWORD)], 429),
    "login with the password": Scenario([login(PASSWORD)] * 6, 429, states=REJECTED_LOGIN_STATES),
    "login during lockout of the email": Scenario(LOGIN_STEPS, 429, lock_email),
    "login after 100 consecutive failures": Scenario(LOGIN_STEPS, 429, set_100_failures),
    "forgot password repeatedly": Scenario([FORGOT_PASSWORD] * 5, 200),
    "forgot password over the daily mail limit": Scenario([FORGOT_PASSWORD] * 2, 200, exhaust_daily_mails),
    "reset by email": Scenario([FORGOT_PASSWORD, *[reset("email")] * 6], 429),
    "reset by id": Scenario([FORGOT_PASSWORD, *[reset(RESET_ID)] * 6], 429),
    "confirm a lost factor with the id of a reset": Scenario([FORGOT_PASSWORD, *[LOST_FACTOR] * 6], 401),
    "sign in with a code by email": Scenario([*[EMAIL_CODE] * 5, *[sign_in_with_code("email")] * 6], 429),
    "sign in with a code by id": Scenario([EMAIL_CODE, *[sign_in_with_code(SIGN_IN_ID)] * 6], 429),
}


# These differ from the other scenarios in the request, not in the database work.
SINGLE_DATABASE_SCENARIOS = {
    *(
        "verify by code",
        "resend by id",
        "reset by id",
        "sign in with a code by id",
        "confirm a lost factor with the id of a reset",
        "login with the password",
        "login after 100 consecutive failures",
    ),
    *(name for name in SCENARIOS if name.endswith("over the daily mail limit")),
}
CASES = [
    pytest.param(database, scenario, id=f"{database}-{name}")
    for name, scenario in SCENARIOS.items()
    for database in (["sqlite"] if name in SINGLE_DATABASE_SCENARIOS else databases())
]


@pytest.mark.usefixtures("stopped_clock")
@pytest.mark.parametrize(("database", "scenario"), CASES, indirect=["database"])
def test_responses_for_any_email_state_prevent_enumeration(
    app: Flask, client: FlaskClient, users: UserFactory, scenario: Scenario
) -> None:
    create_email_states(app, users)
    probes = list(make_probes(client, scenario.states))
    for probe in probes:
        scenario.setup(app, probe.email)
    recorder, rejections = ResponseRecorder(app), set()
    for step in scenario.steps:
        clock.travel(timedelta(seconds=step.pause))
        responses = [recorder.record(partial(step.send, probe)) for probe in probes]
        different = {
            probe.email: response for probe, response in zip(probes, responses, strict=True) if response != responses[0]
        }
        assert different == {}, responses[0]
        if responses[0][0][0] == 429:
            rejections.add(str(responses[0][0]))
    assert responses[0][0][0] == scenario.final_status
    assert len(rejections) <= 1, "all rate-limited responses are equal, whether or not the password is right"


@ON_SQLITE
def test_resend_costs_the_same_for_each_address_of_a_network(make_app: MakeApp) -> None:
    """The limits of the mailboxes and of the network are reached and reset at different times."""
    app = make_app(RATE_LIMIT_MAIL="5/hour")
    users, ip = UserFactory(app), unused_ip()
    for number in range(8):
        users.register(f"pending{number}@example.com", unused_ip())
    for pause, numbers in ((timedelta(minutes=1), range(7)), (timedelta(minutes=61), [7])):
        clock.travel(pause)
        costs = []
        for email in [f"{name}{number}@example.com" for name in ("unknown", "pending") for number in numbers]:
            with statement_counts(app) as cost:
                EmailProbe(users.client, email, ip).post("/auth/resend", {}, "email")
            costs.append(cost)
        assert costs == [costs[0]] * len(costs)


@ON_SQLITE
def test_every_public_email_or_code_field_has_a_scenario(app: Flask) -> None:
    covered = {
        (step.path, name) for scenario in SCENARIOS.values() for step in scenario.steps for name in step.field_names
    }

    required = {
        (route.path, name)
        for route in public_routes(app)
        for name in route.fields_of_type(EmailField, CodeField, VerificationIdField)
    }
    assert ("/auth/login", "email") in required
    assert required - covered == set()


@ON_SQLITE
def test_other_public_fields_are_256_bit_secrets(app: Flask) -> None:
    paths = {step.path for scenario in SCENARIOS.values() for step in scenario.steps}
    others = [route for route in public_routes(app) if route.path not in paths]
    names = {name for route in others if "challenge_token" not in route.field_names for name in route.field_names}

    # A challenge is only given to a client with a right first factor, and a credential is a signature.
    assert names == {"token", "refresh_token", "credential", "device_token"}


def public_routes(app: Flask) -> list[Route]:
    return [route for route in all_routes(app) if route.access != "guarded"]


RESPONSE_STEPS: list[Any] = [
    register(PASSWORDS[0]),
    verify(),
    resend(0),
    login(PASSWORD + "?"),
    FORGOT_PASSWORD,
    reset("email"),
    EMAIL_CODE,
    sign_in_with_code("email"),
]


@pytest.mark.parametrize("step", RESPONSE_STEPS, ids=[step.path for step in RESPONSE_STEPS])
def test_responses_for_existing_email_prevent_enumeration(client: FlaskClient, users: UserFactory, step: Step) -> None:
    email = users.create_verified().email
    response = step.send(EmailProbe(client, email))

    for text in (email, "exist", "already", "Grace", "user"):
        assert text not in response.text
    assert "Set-Cookie" not in response.headers
