"""Judges of what people were told, one call beside the other: codes, tokens, passwords, refusals, times."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.history import UNREACHED, Bounds, Call, Ending, acked

KNOWN_STATUSES = {0, 200, 401, 403, 409, 429, 503}
# What changes something; a read-only database lets none of it through.
WRITING = {"register", "verify", "sign_in", "refresh", "logout", "change", "forgot", "reset"}
SETS_PASSWORD = {"verify", "change", "reset", "sign_in"}


def codes_open_once(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C4: each code is good for one success."""
    used = Counter((call.door, call.otp) for call in acked(calls, "verify", "probe_verify", "reset"))
    for (door, _), times in used.items():
        if times > 1:
            yield f"the code behind {door} was taken {times} times"


def good_tokens_are_taken(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C5: an access token of a session that nobody asked to end is not refused."""
    ends: dict[str, float] = {}
    for call in calls:
        # A refresh token that came again too late ends its session, which its owner hears by that answer.
        is_late = call.action == "refresh" and call.status == 401
        for session in (*call.ends, *([call.session] if is_late else [])):
            ends[session] = min(call.began, ends.get(session, call.began))
    for call in calls:
        if call.action == "profile" and call.status == 401 and ends.get(call.session, call.ended) >= call.ended:
            yield f"{call.person} brought a good token and was refused: {call.reason}"


def a_token_has_one_successor(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C5: a refresh token is traded for one other, and for nothing once that one was traded too."""
    trades = acked(calls, "refresh", "replay_old")
    successors = defaultdict(set)
    for call in trades:
        successors[call.brought].add(call.gained)
    for brought, gained in successors.items():
        if len(gained) > 1:
            yield f"a refresh token of session {brought.partition('.')[0]} has {len(gained)} successors"
    first_use: dict[str, float] = {}
    for call in sorted(trades, key=lambda call: call.ended):
        first_use.setdefault(call.brought, call.ended)
    for call in trades:
        if first_use.get(call.gained, call.began) < call.began:
            yield f"{call.person} traded a token that was two generations old"


def what_was_revoked_stays_so(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C6: after the answer to a sign-out, a new password or a stolen token, nothing of the session opens."""
    ended: dict[str, float] = {}
    for call in calls:
        is_acked = call.status == 401 if call.action == "replay_old" else call.outcome == "ok"
        for session in call.ends if is_acked else ():
            ended[session] = min(call.ended, ended.get(session, call.ended))
    for call in acked(calls, "profile", "refresh", "change"):
        if ended.get(call.session, call.began) < call.began:
            yield f"{call.person} did {call.action} by a session that had ended"
    for session in ended:
        if ending.sessions.get(session):
            yield f"session {session} had ended and is open"


def the_last_password_counts(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C7: the password that was acknowledged last opens the account, and none before it."""
    first = {call.person: call.password for call in calls if call.action == "register"}
    good: dict[str, set[str]] = defaultdict(set)
    for call in sorted(calls, key=lambda call: call.ended):
        password = call.password or first.get(call.person, "")
        if call.action in SETS_PASSWORD and call.outcome == "ok":
            good[call.person] = {password}
        elif call.action in {"change", "reset"} and call.outcome == "unknown":
            good[call.person].add(password)
        elif call.action == "probe" and call.outcome == "ok" and good[call.person]:
            if password not in good[call.person]:
                yield f"an older password of {call.person} opens the account"
        elif call.action == "probe" and call.status == 401 and good[call.person] == {password}:
            yield f"the password of {call.person} that was acknowledged last does not open the account"


def nothing_is_done_without_a_database(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C8: no success lies within a time in which the database was away, and no change within one of reading only."""
    for call in calls:
        for span in bounds.down:
            if call.outcome == "ok" and span.holds(call):
                since, took = call.began - span.began, call.ended - call.began
                yield f"{call.action} succeeded in {took:.3f} s, {since:.3f} s after the database was away"
        if call.outcome == "ok" and call.action in WRITING and any(span.holds(call) for span in bounds.read_only):
            yield f"{call.action} succeeded while the database was read-only"


def readers_are_served(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """R05: who only looks is answered while the database only reads."""
    for call in calls:
        if call.action == "profile" and call.outcome == "unknown" and any(s.holds(call) for s in bounds.read_only):
            yield f"a profile could not be seen while the database was read-only: {call.status} {call.reason}"


def refusals_are_in_order(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C9: no accident ever, and whoever is sent away is told until when."""
    for call in calls:
        if call.status not in KNOWN_STATUSES:
            yield f"{call.action} was answered by {call.status} {call.reason}"
        if call.status == 503 and not call.says_when:
            yield f"{call.action} was answered by 503 without Retry-After"
    for accident in ending.accidents:
        yield f"a log tells of an accident: {accident}"


def answers_come_in_time(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C10: nobody waits for ever, and the server is ready soon after what it needs is back."""
    for call in calls:
        if call.ended - call.began > bounds.slowest:
            yield f"{call.action} took {call.ended - call.began:.1f} s"
    for seconds in bounds.recovered:
        if seconds > bounds.recovers_in:
            yield f"ready {seconds:.1f} s after the fault was over, {bounds.recovers_in:.0f} s are allowed"


def accepted_calls_are_answered(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """R36: where nothing may be lost, every call that was taken is answered."""
    for call in calls if bounds.loses_none else ():
        if call.status == 0 and call.reason != UNREACHED:
            yield f"{call.action} was taken and not answered: {call.reason}"


def no_secret_is_written_down(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C12: neither logs nor Redis hold a password, a code or a token."""
    yield from ending.leaks


def the_fault_took_place(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """A scenario that broke nothing, or in which nobody got through, shows nothing."""
    if not bounds.broke:
        yield "the fault did not take place"
    for action in ("register", "verify", "sign_in", "refresh"):
        if not acked(calls, action):
            yield f"nobody got through {action}"
