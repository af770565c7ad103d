"""Each chaos checker accepts a valid history and detects its violation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.chaos.checkers import responses, stored_data
from tests.chaos.checkers.registry import CHECKERS, Checker, run_checkers
from tests.chaos.history import Call, Expectations, FinalState, Mail, OutboxRow, ResourceUsage, Span

EMAIL = "grace@example.com"
FIRST_PASSWORD, SECOND_PASSWORD = "the first password", "the second password"


def make_call(action: str, started_at: float, status: int = 200, **facts: Any) -> Call:
    return Call(EMAIL, action, started_at, started_at + 0.5, status, **facts)


# A user registers, signs in, refreshes (once more with the same token), changes the password and signs out.
VALID_HISTORY: Sequence[Call] = (
    make_call("register", 1, 503, has_retry_after=True, password=FIRST_PASSWORD),
    make_call("register", 2, code_id="id-1", password=FIRST_PASSWORD),
    make_call("verify", 3, code_id="id-1", otp="code"),
    make_call("verify", 4, 401, code_id="id-1", otp="code"),
    make_call("sign_in", 5, session_id="7", received_refresh_token="7.1", password=FIRST_PASSWORD),
    make_call("refresh", 6, session_id="7", sent_refresh_token="7.1", received_refresh_token="7.2"),
    make_call("refresh", 7, session_id="7", sent_refresh_token="7.1", received_refresh_token="7.2"),
    make_call("refresh", 8, session_id="7", sent_refresh_token="7.2", received_refresh_token="7.3"),
    make_call("profile", 9, session_id="7"),
    make_call("change", 10, session_id="7", password=SECOND_PASSWORD),
    make_call("logout", 11, session_id="7", revokes=("7",)),
    make_call("profile", 12, 401, session_id="7"),
    make_call("probe", 20, session_id="8", password=SECOND_PASSWORD),
    make_call("probe", 21, 401, password=FIRST_PASSWORD),
)
CODE_MAIL = OutboxRow(EMAIL, "registration/verify_email", "sent", "<1@here>", "id-1", 1)
NOTICE = OutboxRow(EMAIL, "passwords/password_changed", "sent", "<2@here>", "", 1)
VALID_STATE = FinalState(
    registrations={"id-1": EMAIL},
    codes={"id-1": "registration"},
    users={EMAIL: 3},
    sessions={"7": False, "8": True},
    events=[
        ("registration_started", None, "None"),
        ("account_created", 3, "None"),
        ("sign_in", 3, "7"),
        ("password_changed", 3, "7"),
        ("signed_out", 3, "7"),
        ("sign_in", 3, "8"),
    ],
    outbox=[CODE_MAIL, NOTICE],
    mails=[Mail(EMAIL, "<1@here>", "code"), Mail(EMAIL, "<2@here>", "")],
)
USAGE = ResourceUsage(descriptors=50, memory=100 << 20)
NORMAL_EXPECTATIONS = Expectations(database_down=[Span(0.9, 1.6)], recovery_seconds=[1.0])


@dataclass
class Violation:
    """A difference from the valid history."""

    checker: Checker
    message: str
    extra_calls: Sequence[Call] = ()
    state: FinalState = VALID_STATE
    expectations: Expectations = NORMAL_EXPECTATIONS

    @property
    def calls(self) -> Sequence[Call]:
        """The valid history with additional calls; a call replaces the one that started at the same time."""
        replaced = {each.started_at for each in self.extra_calls}
        return [*(each for each in VALID_HISTORY if each.started_at not in replaced), *self.extra_calls]


def events_without(event: str) -> Sequence[tuple[str, int | None, str]]:
    return [each for each in VALID_STATE.events if each[0] != event]


def state_with(**changes: Any) -> FinalState:
    return replace(VALID_STATE, **changes)


LOST_REGISTRATION = state_with(registrations={}, users={})
STILL_ACTIVE_SESSION = state_with(sessions={"7": True})
DUPLICATE_MAILS = state_with(mails=[*VALID_STATE.mails, *VALID_STATE.mails])
TWO_CODES = state_with(mails=[*VALID_STATE.mails, Mail(EMAIL, "<1@here>", "other")])
UNEXPECTED_MAIL = state_with(mails=[*VALID_STATE.mails, Mail(EMAIL, "<9@here>", "")])
QUEUED_MAIL = state_with(outbox=[replace(CODE_MAIL, state="queued"), NOTICE], mails=VALID_STATE.mails[1:])
LOST_MAIL = state_with(mails=VALID_STATE.mails[1:])
UNEXPECTED_USER = state_with(users={EMAIL: 3, "unknown@example.com": 4})

VIOLATIONS = [
    Violation(stored_data.check_registrations_are_stored, "has no registration row", state=LOST_REGISTRATION),
    Violation(stored_data.check_registrations_are_stored, "has no account", state=LOST_REGISTRATION),
    Violation(
        stored_data.check_registered_users_can_sign_in,
        "cannot sign in",
        [make_call("probe", 20, 401, password=SECOND_PASSWORD)],
    ),
    Violation(stored_data.check_no_unexpected_accounts, "never registered", state=UNEXPECTED_USER),
    Violation(stored_data.check_no_partial_writes, "has no code", state=state_with(codes={})),
    Violation(stored_data.check_no_partial_writes, "has no mail", state=state_with(outbox=[NOTICE])),
    Violation(stored_data.check_no_partial_writes, "no registration", state=state_with(registrations={})),
    Violation(
        stored_data.check_no_partial_writes,
        "1 accounts, 0 events",
        state=state_with(events=events_without("account_created")),
    ),
    Violation(stored_data.check_no_partial_writes, "0 password mails", state=state_with(outbox=[CODE_MAIL])),
    Violation(
        stored_data.check_changes_have_audit_events, "sign-in", state=state_with(events=events_without("sign_in"))
    ),
    Violation(
        stored_data.check_changes_have_audit_events, "sign-out", state=state_with(events=events_without("signed_out"))
    ),
    Violation(
        stored_data.check_changes_have_audit_events,
        "did change 1 times",
        state=state_with(events=events_without("password_changed")),
    ),
    Violation(stored_data.check_mail_is_delivered, "did not arrive", state=LOST_MAIL),
    Violation(stored_data.check_mail_is_delivered, "got no mail", state=LOST_MAIL),
    Violation(stored_data.check_mail_is_delivered, "is queued", state=QUEUED_MAIL),
    Violation(stored_data.check_mail_duplicates, "2 copies", state=DUPLICATE_MAILS),
    Violation(
        stored_data.check_mail_duplicates,
        "differ",
        state=TWO_CODES,
        expectations=replace(NORMAL_EXPECTATIONS, max_mail_copies=2),
    ),
    Violation(stored_data.check_mail_duplicates, "has no outbox row", state=UNEXPECTED_MAIL),
    Violation(responses.check_codes_are_single_use, "2 times", [make_call("verify", 4, code_id="id-1", otp="code")]),
    Violation(
        stored_data.check_no_resource_leaks,
        "now 80",
        state=state_with(resource_usage=[(USAGE, replace(USAGE, descriptors=80))]),
    ),
    Violation(
        stored_data.check_no_resource_leaks,
        "now 200 MB",
        state=state_with(resource_usage=[(USAGE, replace(USAGE, memory=200 << 20))]),
    ),
    Violation(
        stored_data.check_valid_codes_are_accepted,
        "was rejected",
        [make_call("verify", 3, 401, code_id="id-1", otp="code")],
    ),
    Violation(
        responses.check_valid_access_tokens_are_accepted, "was rejected", [make_call("profile", 9, 401, session_id="7")]
    ),
    Violation(
        responses.check_refresh_tokens_have_one_successor,
        "2 successors",
        [make_call("refresh", 7, sent_refresh_token="7.1", received_refresh_token="7.9")],
    ),
    Violation(
        responses.check_refresh_tokens_have_one_successor,
        "two generations",
        [make_call("refresh", 9.5, sent_refresh_token="7.1", received_refresh_token="7.2")],
    ),
    Violation(
        responses.check_revoked_sessions_stay_revoked,
        "used a revoked session",
        [make_call("profile", 12, session_id="7")],
    ),
    Violation(responses.check_revoked_sessions_stay_revoked, "is active", state=STILL_ACTIVE_SESSION),
    Violation(
        responses.check_latest_password_is_valid, "an older password", [make_call("probe", 21, password=FIRST_PASSWORD)]
    ),
    Violation(
        responses.check_latest_password_is_valid,
        "is rejected",
        [make_call("probe", 20, 401, password=SECOND_PASSWORD)],
    ),
    Violation(
        responses.check_no_success_without_database,
        "went down",
        expectations=replace(NORMAL_EXPECTATIONS, database_down=[Span(1.9, 2.6)]),
    ),
    Violation(
        responses.check_no_success_without_database,
        "was read-only",
        expectations=replace(NORMAL_EXPECTATIONS, read_only=[Span(1.9, 2.6)]),
    ),
    Violation(
        responses.check_reads_succeed_while_read_only,
        "could not be read",
        [make_call("profile", 9, 503, has_retry_after=True, session_id="7")],
        expectations=replace(NORMAL_EXPECTATIONS, read_only=[Span(8.9, 9.6)]),
    ),
    Violation(responses.check_error_responses, "got 500", [make_call("profile", 9, 500)]),
    Violation(responses.check_error_responses, "without Retry-After", [make_call("profile", 9, 503)]),
    Violation(
        responses.check_error_responses, "an unhandled exception", state=state_with(unhandled_exceptions=["KeyError"])
    ),
    Violation(
        responses.check_response_times, "took 0.5 s", expectations=replace(NORMAL_EXPECTATIONS, max_call_seconds=0.4)
    ),
    Violation(
        responses.check_response_times,
        "ready 6.0 s after",
        expectations=replace(NORMAL_EXPECTATIONS, recovery_seconds=[1, 6]),
    ),
    Violation(
        responses.check_accepted_calls_are_answered,
        "got no response",
        [make_call("profile", 9, 0, reason="ConnectionResetError")],
        expectations=replace(NORMAL_EXPECTATIONS, requires_all_responses=True),
    ),
    Violation(responses.check_no_secrets_are_logged, "in server.log", state=state_with(leaks=["'code' in server.log"])),
    Violation(
        responses.check_fault_happened,
        "did not happen",
        expectations=replace(NORMAL_EXPECTATIONS, fault_happened=False),
    ),
    Violation(
        responses.check_fault_happened, "no register succeeded", [make_call("register", 2, 503, has_retry_after=True)]
    ),
]


def test_valid_history_passes_every_checker() -> None:
    assert run_checkers(VALID_HISTORY, VALID_STATE, NORMAL_EXPECTATIONS) == {}


@pytest.mark.parametrize(
    "violation", VIOLATIONS, ids=lambda violation: f"{violation.checker.__name__}: {violation.message}"
)
def test_checker_detects_its_violation(violation: Violation) -> None:
    messages = list(violation.checker(violation.calls, violation.state, violation.expectations))

    assert [line for line in messages if violation.message in line], messages


def test_every_checker_has_a_violation() -> None:
    assert {violation.checker for violation in VIOLATIONS} == set(CHECKERS)


def test_call_without_response_may_be_applied_or_not() -> None:
    """A password change without a response may be applied or not; a code without a response may be consumed."""
    lost = make_call("change", 10, 503, has_retry_after=True, session_id="7", password=SECOND_PASSWORD)
    earlier_calls = [each for each in VALID_HISTORY if each.started_at < 10]
    events = [each for each in VALID_STATE.events if each[0] not in {"password_changed", "signed_out"}]
    unchanged_state = state_with(
        events=events, outbox=[CODE_MAIL], mails=VALID_STATE.mails[:1], sessions={"7": True, "8": True}
    )
    probes = [
        make_call("probe", 20, 401, password=SECOND_PASSWORD),
        make_call("probe", 21, session_id="8", password=FIRST_PASSWORD),
    ]

    assert run_checkers([*earlier_calls, lost, *probes], unchanged_state, NORMAL_EXPECTATIONS) == {}


def test_code_of_an_older_mail_may_be_rejected() -> None:
    """After a retried request there are two mails, and the user may submit the code of the first for the second."""
    older_code_calls = [
        make_call("verify", 3, 401, code_id="id-1", otp="older"),
        make_call("verify", 4, 401, code_id="id-1", otp=""),
    ]
    calls = Violation(stored_data.check_valid_codes_are_accepted, "", older_code_calls).calls

    assert list(stored_data.check_valid_codes_are_accepted(calls, VALID_STATE, NORMAL_EXPECTATIONS)) == []
