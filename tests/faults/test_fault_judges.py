"""Each judge of `make faults` is content with a sound history, and sees the bug that it is there for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.faults import judges_of_calls as of_calls
from tests.faults import judges_of_rows as of_rows
from tests.faults.history import Bounds, Call, Ending, Footprint, Mail, Sent, Span
from tests.faults.judges import JUDGES, Judge, judged

WHO = "grace@example.com"
FIRST, SECOND = "the first password", "the second password"


def call(action: str, at: float, status: int = 200, **facts: Any) -> Call:
    return Call(WHO, action, at, at + 0.5, status, **facts)


# Somebody joins, signs in, refreshes (once more with the same token), has another password, and leaves.
SOUND: Sequence[Call] = (
    call("register", 1, 503, says_when=True, password=FIRST),
    call("register", 2, door="door", password=FIRST),
    call("verify", 3, door="door", otp="code"),
    call("verify", 4, 401, door="door", otp="code"),
    call("sign_in", 5, session="7", gained="7.1", password=FIRST),
    call("refresh", 6, session="7", brought="7.1", gained="7.2"),
    call("refresh", 7, session="7", brought="7.1", gained="7.2"),
    call("refresh", 8, session="7", brought="7.2", gained="7.3"),
    call("profile", 9, session="7"),
    call("change", 10, session="7", password=SECOND),
    call("logout", 11, session="7", ends=("7",)),
    call("profile", 12, 401, session="7"),
    call("probe", 20, session="8", password=SECOND),
    call("probe", 21, 401, password=FIRST),
)
CODE_MAIL = Sent(WHO, "registration/prove_address", "sent", "<1@here>", "door", 1)
NOTICE = Sent(WHO, "passwords/password_changed", "sent", "<2@here>", "", 1)
THERE = Ending(
    attempts={"door": WHO},
    codes={"door": "registration"},
    people={WHO: 3},
    sessions={"7": False, "8": True},
    events=[
        ("registration_opened", None, "None"),
        ("account_created", 3, "None"),
        ("sign_in", 3, "7"),
        ("password_changed", 3, "7"),
        ("signed_out", 3, "7"),
        ("sign_in", 3, "8"),
    ],
    outbox=[CODE_MAIL, NOTICE],
    mails=[Mail(WHO, "<1@here>", "code"), Mail(WHO, "<2@here>", "")],
)
HELD = Footprint(descriptors=50, memory=100 << 20)
FINE = Bounds(down=[Span(0.9, 1.6)], recovered=[1.0])


@dataclass
class Bug:
    """What is otherwise than in the sound history."""

    judge: Judge
    said: str
    more: Sequence[Call] = ()
    there: Ending = THERE
    bounds: Bounds = FINE

    @property
    def calls(self) -> Sequence[Call]:
        """With the call more, or in the place of the one that began at the same moment."""
        begun = {each.began for each in self.more}
        return [*(each for each in SOUND if each.began not in begun), *self.more]


def without(event: str) -> Sequence[tuple[str, int | None, str]]:
    return [each for each in THERE.events if each[0] != event]


def ending(**changes: Any) -> Ending:
    return replace(THERE, **changes)


LOST = ending(attempts={}, people={})
STILL_OPEN = ending(sessions={"7": True})
COPIES = ending(mails=[*THERE.mails, *THERE.mails])
TWO_CODES = ending(mails=[*THERE.mails, Mail(WHO, "<1@here>", "another")])
NOBODYS = ending(mails=[*THERE.mails, Mail(WHO, "<9@here>", "")])
NOT_SENT = ending(outbox=[replace(CODE_MAIL, state="queued"), NOTICE], mails=THERE.mails[1:])
NOT_THERE = ending(mails=THERE.mails[1:])
STRANGER = ending(people={WHO: 3, "who@example.com": 4})

BUGS = [
    Bug(of_rows.registrations_are_kept, "the attempt is not there", there=LOST),
    Bug(of_rows.registrations_are_kept, "there is no account", there=LOST),
    Bug(of_rows.registered_people_get_in, "cannot sign in", [call("probe", 20, 401, password=SECOND)]),
    Bug(of_rows.nothing_was_invented, "never registered", there=STRANGER),
    Bug(of_rows.nothing_is_half_written, "has no code", there=ending(codes={})),
    Bug(of_rows.nothing_is_half_written, "has no mail", there=ending(outbox=[NOTICE])),
    Bug(of_rows.nothing_is_half_written, "no attempt", there=ending(attempts={})),
    Bug(of_rows.nothing_is_half_written, "1 accounts, 0 events", there=ending(events=without("account_created"))),
    Bug(of_rows.nothing_is_half_written, "0 mails of new passwords", there=ending(outbox=[CODE_MAIL])),
    Bug(of_rows.every_change_has_its_event, "sign-in", there=ending(events=without("sign_in"))),
    Bug(of_rows.every_change_has_its_event, "sign-out", there=ending(events=without("signed_out"))),
    Bug(of_rows.every_change_has_its_event, "1 times change", there=ending(events=without("password_changed"))),
    Bug(of_rows.mail_arrives, "did not arrive", there=NOT_THERE),
    Bug(of_rows.mail_arrives, "got none", there=NOT_THERE),
    Bug(of_rows.mail_arrives, "is queued", there=NOT_SENT),
    Bug(of_rows.mails_are_few_and_alike, "2 copies", there=COPIES),
    Bug(of_rows.mails_are_few_and_alike, "differ", there=TWO_CODES, bounds=replace(FINE, copies=2)),
    Bug(of_rows.mails_are_few_and_alike, "no row asked for", there=NOBODYS),
    Bug(of_calls.codes_open_once, "2 times", [call("verify", 4, door="door", otp="code")]),
    Bug(of_rows.nothing_piles_up, "and has 80", there=ending(held=[(HELD, replace(HELD, descriptors=80))])),
    Bug(of_rows.nothing_piles_up, "and holds 200 MB", there=ending(held=[(HELD, replace(HELD, memory=200 << 20))])),
    Bug(of_rows.good_codes_are_taken, "was refused", [call("verify", 3, 401, door="door", otp="code")]),
    Bug(of_calls.good_tokens_are_taken, "was refused", [call("profile", 9, 401, session="7")]),
    Bug(of_calls.a_token_has_one_successor, "2 successors", [call("refresh", 7, brought="7.1", gained="7.9")]),
    Bug(of_calls.a_token_has_one_successor, "two generations", [call("refresh", 9.5, brought="7.1", gained="7.2")]),
    Bug(of_calls.what_was_revoked_stays_so, "by a session that had ended", [call("profile", 12, session="7")]),
    Bug(of_calls.what_was_revoked_stays_so, "is open", there=STILL_OPEN),
    Bug(of_calls.the_last_password_counts, "an older password", [call("probe", 21, password=FIRST)]),
    Bug(of_calls.the_last_password_counts, "does not open", [call("probe", 20, 401, password=SECOND)]),
    Bug(of_calls.nothing_is_done_without_a_database, "was away", bounds=replace(FINE, down=[Span(1.9, 2.6)])),
    Bug(of_calls.nothing_is_done_without_a_database, "was read-only", bounds=replace(FINE, read_only=[Span(1.9, 2.6)])),
    Bug(
        of_calls.readers_are_served,
        "could not be seen",
        [call("profile", 9, 503, says_when=True, session="7")],
        bounds=replace(FINE, read_only=[Span(8.9, 9.6)]),
    ),
    Bug(of_calls.refusals_are_in_order, "answered by 500", [call("profile", 9, 500)]),
    Bug(of_calls.refusals_are_in_order, "without Retry-After", [call("profile", 9, 503)]),
    Bug(of_calls.refusals_are_in_order, "an accident", there=ending(accidents=["KeyError"])),
    Bug(of_calls.answers_come_in_time, "took 0.5 s", bounds=replace(FINE, slowest=0.4)),
    Bug(of_calls.answers_come_in_time, "ready 6.0 s after", bounds=replace(FINE, recovered=[1, 6])),
    Bug(
        of_calls.accepted_calls_are_answered,
        "not answered",
        [call("profile", 9, 0, reason="ConnectionResetError")],
        bounds=replace(FINE, loses_none=True),
    ),
    Bug(of_calls.no_secret_is_written_down, "in server.log", there=ending(leaks=["'code' in server.log"])),
    Bug(of_calls.the_fault_took_place, "did not take place", bounds=replace(FINE, broke=False)),
    Bug(of_calls.the_fault_took_place, "through register", [call("register", 2, 503, says_when=True)]),
]


def test_a_sound_history_contents_every_judge() -> None:
    assert judged(SOUND, THERE, FINE) == {}


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: f"{bug.judge.__name__}: {bug.said}")
def test_a_planted_bug_is_seen(bug: Bug) -> None:
    told = list(bug.judge(bug.calls, bug.there, bug.bounds))

    assert [line for line in told if bug.said in line], told


def test_there_is_a_planted_bug_for_every_judge() -> None:
    assert {bug.judge for bug in BUGS} == set(JUDGES)


def test_what_nobody_was_told_of_may_be_either() -> None:
    """A new password whose answer was lost counts, or does not; a code whose answer was lost may be spent."""
    lost = call("change", 10, 503, says_when=True, session="7", password=SECOND)
    before = [each for each in SOUND if each.began < 10]
    events = [each for each in THERE.events if each[0] not in {"password_changed", "signed_out"}]
    not_done = ending(events=events, outbox=[CODE_MAIL], mails=THERE.mails[:1], sessions={"7": True, "8": True})
    old_one_opens = [call("probe", 20, 401, password=SECOND), call("probe", 21, session="8", password=FIRST)]

    assert judged([*before, lost, *old_one_opens], not_done, FINE) == {}


def test_the_code_of_another_mail_may_be_refused() -> None:
    """Whoever had to ask twice has two mails, and may bring the code of the first to the door of the second."""
    only_the_other_code = [
        call("verify", 3, 401, door="door", otp="older"),
        call("verify", 4, 401, door="door", otp=""),
    ]
    calls = Bug(of_rows.good_codes_are_taken, "", only_the_other_code).calls

    assert list(of_rows.good_codes_are_taken(calls, THERE, FINE)) == []
