"""Checkers: each reads the history of calls and the final state, and yields a message for every broken guarantee.

They are functions of plain rows. Tests show, with constructed histories, that each checker detects its violation.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.chaos.checkers import responses, stored_data
from tests.chaos.history import Call, Expectations, FinalState

Checker = Callable[[Sequence[Call], FinalState, Expectations], Iterator[str]]

CHECKERS: Sequence[Checker] = (
    stored_data.check_registrations_are_stored,
    stored_data.check_registered_users_can_sign_in,
    stored_data.check_no_unexpected_accounts,
    stored_data.check_no_partial_writes,
    stored_data.check_changes_have_audit_events,
    stored_data.check_mail_is_delivered,
    stored_data.check_mail_duplicates,
    stored_data.check_valid_codes_are_accepted,
    stored_data.check_no_resource_leaks,
    responses.check_codes_are_single_use,
    responses.check_valid_access_tokens_are_accepted,
    responses.check_refresh_tokens_have_one_successor,
    responses.check_revoked_sessions_stay_revoked,
    responses.check_latest_password_is_valid,
    responses.check_no_success_without_database,
    responses.check_reads_succeed_while_read_only,
    responses.check_error_responses,
    responses.check_response_times,
    responses.check_accepted_calls_are_answered,
    responses.check_no_secrets_are_logged,
    responses.check_fault_happened,
)


def run_checkers(calls: Sequence[Call], final_state: FinalState, expectations: Expectations) -> dict[str, list[str]]:
    """Run all checkers and return the messages of those that failed, by name."""
    messages = {checker.__name__: list(checker(calls, final_state, expectations)) for checker in CHECKERS}
    return {name: lines for name, lines in messages.items() if lines}
