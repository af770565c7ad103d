"""Checkers that compare the calls of a history: codes, tokens, passwords, errors, times."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.history import UNREACHED, Call, Expectations, FinalState, acknowledged

KNOWN_STATUSES = {0, 200, 401, 403, 409, 429, 503}
# Actions that write. A read-only database must reject them all.
WRITING_ACTIONS = {"register", "verify", "sign_in", "refresh", "logout", "change", "forgot", "reset"}
PASSWORD_ACTIONS = {"verify", "change", "reset", "sign_in"}


def check_codes_are_single_use(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C4: each code can be used once."""
    used = Counter((call.code_id, call.otp) for call in acknowledged(calls, "verify", "probe_verify", "reset"))
    for (code_id, _), times in used.items():
        if times > 1:
            yield f"the code of {code_id} was accepted {times} times"


def check_valid_access_tokens_are_accepted(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C5: a valid access token of an active session is accepted."""
    revoked_at: dict[str, float] = {}
    for call in calls:
        # A refresh token that is reused too late revokes its session. The user learns this from the 401 response.
        is_late = call.action == "refresh" and call.status == 401
        for session_id in (*call.revokes, *([call.session_id] if is_late else [])):
            revoked_at[session_id] = min(call.started_at, revoked_at.get(session_id, call.started_at))
    for call in calls:
        if (
            call.action == "profile"
            and call.status == 401
            and revoked_at.get(call.session_id, call.ended_at) >= call.ended_at
        ):
            yield f"{call.user} sent a valid token and was rejected: {call.reason}"


def check_refresh_tokens_have_one_successor(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C5: a refresh token has one successor, and is rejected once the successor has been rotated too."""
    rotations = acknowledged(calls, "refresh", "replay_old")
    successors = defaultdict(set)
    for call in rotations:
        successors[call.sent_refresh_token].add(call.received_refresh_token)
    for token, received in successors.items():
        if len(received) > 1:
            yield f"a refresh token of session {token.partition('.')[0]} has {len(received)} successors"
    first_use: dict[str, float] = {}
    for call in sorted(rotations, key=lambda call: call.ended_at):
        first_use.setdefault(call.sent_refresh_token, call.ended_at)
    for call in rotations:
        if first_use.get(call.received_refresh_token, call.started_at) < call.started_at:
            yield f"{call.user} rotated a token that was two generations old"


def check_revoked_sessions_stay_revoked(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C6: after a logout, a password change or refresh token reuse, no token of the revoked session is accepted."""
    revoked_at: dict[str, float] = {}
    for call in calls:
        is_acked = call.status == 401 if call.action == "replay_old" else call.outcome == "ok"
        for session_id in call.revokes if is_acked else ():
            revoked_at[session_id] = min(call.ended_at, revoked_at.get(session_id, call.ended_at))
    for call in acknowledged(calls, "profile", "refresh", "change"):
        if revoked_at.get(call.session_id, call.started_at) < call.started_at:
            yield f"{call.user} used a revoked session for {call.action}"
    for session_id in revoked_at:
        if final_state.sessions.get(session_id):
            yield f"session {session_id} was revoked and is active"


def check_latest_password_is_valid(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C7: the password that was acknowledged last is valid, and no earlier one."""
    initial = {call.user: call.password for call in calls if call.action == "register"}
    valid: dict[str, set[str]] = defaultdict(set)
    for call in sorted(calls, key=lambda call: call.ended_at):
        password = call.password or initial.get(call.user, "")
        if call.action in PASSWORD_ACTIONS and call.outcome == "ok":
            valid[call.user] = {password}
        elif call.action in {"change", "reset"} and call.outcome == "unknown":
            valid[call.user].add(password)
        elif call.action == "probe" and call.outcome == "ok" and valid[call.user]:
            if password not in valid[call.user]:
                yield f"an older password of {call.user} is accepted"
        elif call.action == "probe" and call.status == 401 and valid[call.user] == {password}:
            yield f"the last acknowledged password of {call.user} is rejected"


def check_no_success_without_database(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C8: no call succeeds while the database is down, and no write while it is read-only."""
    for call in calls:
        for span in expectations.database_down:
            if call.outcome == "ok" and span.contains(call):
                since, took = call.started_at - span.started_at, call.ended_at - call.started_at
                yield f"{call.action} succeeded in {took:.3f} s, {since:.3f} s after the database went down"
        if (
            call.outcome == "ok"
            and call.action in WRITING_ACTIONS
            and any(span.contains(call) for span in expectations.read_only)
        ):
            yield f"{call.action} succeeded while the database was read-only"


def check_reads_succeed_while_read_only(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """R05: reads succeed while the database is read-only."""
    for call in calls:
        if (
            call.action == "profile"
            and call.outcome == "unknown"
            and any(s.contains(call) for s in expectations.read_only)
        ):
            yield f"a profile could not be read while the database was read-only: {call.status} {call.reason}"


def check_error_responses(calls: Sequence[Call], final_state: FinalState, expectations: Expectations) -> Iterator[str]:
    """C9: no unhandled exception occurs, and every 503 response has Retry-After."""
    for call in calls:
        if call.status not in KNOWN_STATUSES:
            yield f"{call.action} got {call.status} {call.reason}"
        if call.status == 503 and not call.has_retry_after:
            yield f"{call.action} got 503 without Retry-After"
    for line in final_state.unhandled_exceptions:
        yield f"a log has an unhandled exception: {line}"


def check_response_times(calls: Sequence[Call], final_state: FinalState, expectations: Expectations) -> Iterator[str]:
    """C10: no call hangs, and the server is ready soon after its dependencies are available again."""
    for call in calls:
        if call.ended_at - call.started_at > expectations.max_call_seconds:
            yield f"{call.action} took {call.ended_at - call.started_at:.1f} s"
    for seconds in expectations.recovery_seconds:
        if seconds > expectations.max_recovery_seconds:
            yield f"ready {seconds:.1f} s after the fault, {expectations.max_recovery_seconds:.0f} s are allowed"


def check_accepted_calls_are_answered(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """R36: where no call may be lost, every accepted connection gets a response."""
    for call in calls if expectations.requires_all_responses else ():
        if call.status == 0 and call.reason != UNREACHED:
            yield f"{call.action} was accepted and got no response: {call.reason}"


def check_no_secrets_are_logged(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C12: neither logs nor Redis contain a password, a code or a token."""
    yield from final_state.leaks


def check_fault_happened(calls: Sequence[Call], final_state: FinalState, expectations: Expectations) -> Iterator[str]:
    """The fault happened, and every kind of call succeeded at least once. Otherwise the scenario shows nothing."""
    if not expectations.fault_happened:
        yield "the fault did not happen"
    for action in ("register", "verify", "sign_in", "refresh"):
        if not acknowledged(calls, action):
            yield f"no {action} succeeded"
