"""Checkers that compare the final state with the responses: accounts, codes, events, mails."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.history import Call, Expectations, FinalState, acknowledged

EXTRA_CONNECTIONS = 10  # database connections that were not open before
HASHING_MEMORY = 64 * 2**20  # bytes; each hashing thread keeps its memory


def check_registrations_are_stored(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C1: an acknowledged registration has a row, an acknowledged verification an account."""
    for call in acknowledged(calls, "register"):
        if call.code_id not in final_state.registrations:
            yield f"{call.user} was registered, but has no registration row"
    for call in acknowledged(calls, "verify", "probe_verify"):
        if call.user not in final_state.users:
            yield f"{call.user} was verified, but has no account"


def check_registered_users_can_sign_in(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C1: every user with an account at the end can sign in."""
    probes = [call for call in calls if call.action == "probe"]
    signed_in = {call.user for call in probes if call.outcome == "ok"}
    uncertain = {call.user for call in probes if call.status in {0, 429, 503}}
    for user in sorted({call.user for call in probes} & set(final_state.users) - signed_in - uncertain):
        yield f"{user} has an account and cannot sign in"


def check_no_unexpected_accounts(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C2: every account and registration was requested."""
    requested = {call.user for call in calls if call.action == "register"}
    for address in sorted({*final_state.users, *final_state.registrations.values()} - requested):
        yield f"{address} exists but never registered"


def check_no_partial_writes(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C2, C11: a registration has its code, mail and event; an account its event; a new password its mail."""
    # A call whose client disconnected may run after the account exists: then its mail goes to the owner of the account.
    owners = {row.to for row in final_state.outbox if row.template == "registration/already_registered"}
    mailed = {row.code_id for row in final_state.outbox} | {
        code_id for code_id, address in final_state.registrations.items() if address in owners
    }
    for code_id, address in final_state.registrations.items():
        if code_id not in final_state.codes:
            yield f"the registration of {address} has no code"
        if code_id not in mailed:
            yield f"the registration of {address} has no mail"
    for code_id, purpose in final_state.codes.items():
        if code_id not in mailed or (purpose == "registration" and code_id not in final_state.registrations):
            yield f"a code for {purpose} has no registration or no mail"
    events, mails = (
        Counter(name for name, *_ in final_state.events),
        Counter(row.template for row in final_state.outbox),
    )
    pairs = [
        (
            "registrations",
            len(final_state.registrations),
            events["registration_started"] + events["registration_existing_email"],
        ),
        ("accounts", len(final_state.users), events["account_created"]),
        (
            "password mails",
            mails["passwords/password_changed"],
            events["password_changed"] + events["password_reset"],
        ),
    ]
    for kind, row_count, event_count in pairs:
        if row_count != event_count:
            yield f"{row_count} {kind}, {event_count} events"


def check_changes_have_audit_events(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C11: acknowledged sign-ins, sign-outs and password changes have their events."""
    by_session = {(name, session_id) for name, _, session_id in final_state.events}
    for call in acknowledged(calls, "sign_in", "probe"):
        if ("sign_in", call.session_id) not in by_session:
            yield f"the sign-in of {call.user} has no event"
    revoked = {session_id for name, session_id in by_session if name in {"signed_out", "refresh_token_reused"}}
    for call in acknowledged(calls, "logout"):
        if call.session_id not in revoked:
            yield f"the sign-out of {call.user} has no event"
    by_user = Counter((name, user) for name, user, _ in final_state.events)
    for action, name in (("change", "password_changed"), ("reset", "password_reset")):
        for user, times in Counter(call.user for call in acknowledged(calls, action)).items():
            if by_user[name, final_state.users.get(user)] < times:
                yield f"{user} did {action} {times} times, with fewer events"


def check_mail_is_delivered(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C3: every acknowledged code was mailed, unless the address reached its mail limit."""
    arrived, rows = {mail.message_id for mail in final_state.mails}, defaultdict(list)
    for row in final_state.outbox:
        rows[row.code_id].append(row)
        if row.state == "sent" and row.message_id not in arrived:
            yield f"a mail to {row.to} ({row.template}) is marked as sent but did not arrive"
        if row.state == "queued" or (row.state == "failed" and not expectations.allows_failed_mail):
            yield f"a mail to {row.to} ({row.template}) is {row.state}"
    for call in acknowledged(calls, "register", "forgot"):
        own_rows = rows[call.code_id]
        if not any(row.message_id in arrived or row.state in {"suppressed", "failed"} for row in own_rows):
            yield f"{call.user} got no mail after {call.action}"


def check_mail_duplicates(calls: Sequence[Call], final_state: FinalState, expectations: Expectations) -> Iterator[str]:
    """C3: copies of a mail are bounded and have one Message-ID and one code; every mail has an outbox row."""
    known = {row.message_id for row in final_state.outbox}
    for message_id, times in Counter(mail.message_id for mail in final_state.mails).items():
        variants = {(mail.to, mail.otp) for mail in final_state.mails if mail.message_id == message_id}
        if times > expectations.max_mail_copies:
            yield f"{times} copies of a mail to {variants}, {expectations.max_mail_copies} are allowed"
        if len(variants) > 1:
            yield f"copies of one mail differ: {variants}"
        if message_id not in known:
            yield f"a mail to {variants} has no outbox row"


def check_no_resource_leaks(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C13: after the faults, no process uses much more than before."""
    for first, last in final_state.resource_usage:
        if last.descriptors > first.descriptors * 1.1 + EXTRA_CONNECTIONS:
            yield f"a process had {first.descriptors} open files and connections, now {last.descriptors}"
        if last.memory > first.memory * 1.1 + HASHING_MEMORY:
            yield f"a process used {first.memory >> 20} MB, now {last.memory >> 20} MB"


def check_valid_codes_are_accepted(
    calls: Sequence[Call], final_state: FinalState, expectations: Expectations
) -> Iterator[str]:
    """C1: a code that was mailed for a request is accepted for that request, if any call got a response."""
    otps = {mail.message_id: mail.otp for mail in final_state.mails}
    mailed = {(row.code_id, otps[row.message_id]) for row in final_state.outbox if row.message_id in otps}
    statuses_by_code = defaultdict(set)
    for call in calls:
        if call.action in {"verify", "reset"} and (call.code_id, call.otp) in mailed:
            statuses_by_code[call.user, call.code_id].add(call.status)
    for (user, _), statuses in statuses_by_code.items():
        if statuses == {401}:
            yield f"{user} sent a valid code and was rejected"
