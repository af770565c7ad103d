"""Judges of what is there at the end, beside what people were told: accounts, codes, events, mails."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.history import Bounds, Call, Ending, acked

FEW = 10  # connections to the database that were not needed yet
LAST_HASHES = 64 * 2**20  # bytes; what they needed stays with their threads


def registrations_are_kept(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C1: who was told "registered" has an attempt; who was told "verified" an account."""
    for call in acked(calls, "register"):
        if call.door not in ending.attempts:
            yield f"{call.person} was registered, and the attempt is not there"
    for call in acked(calls, "verify", "probe_verify"):
        if call.person not in ending.people:
            yield f"{call.person} was verified, and there is no account"


def registered_people_get_in(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C1: who has an account at the end can sign in."""
    tried = [call for call in calls if call.action == "probe"]
    let_in = {call.person for call in tried if call.outcome == "ok"}
    unsure = {call.person for call in tried if call.status in {0, 429, 503}}
    for person in sorted({call.person for call in tried} & set(ending.people) - let_in - unsure):
        yield f"{person} has an account and cannot sign in"


def nothing_was_invented(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C2: nobody is there who did not ask for it."""
    asked = {call.person for call in calls if call.action == "register"}
    for address in sorted({*ending.people, *ending.attempts.values()} - asked):
        yield f"{address} is there and never registered"


def nothing_is_half_written(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C2, C11: an attempt has its code, its mail and its event, a new account its event, a new password its mail."""
    # A call whose sender has hung up may be done after the account is there: then the mail is one to its owner.
    owners = {sent.to for sent in ending.outbox if sent.template == "registration/already_registered"}
    mailed = {sent.door for sent in ending.outbox} | {d for d, address in ending.attempts.items() if address in owners}
    for door, address in ending.attempts.items():
        if door not in ending.codes:
            yield f"the attempt of {address} has no code"
        if door not in mailed:
            yield f"the attempt of {address} has no mail"
    for door, purpose in ending.codes.items():
        if door not in mailed or (purpose == "registration" and door not in ending.attempts):
            yield f"a code for {purpose} has no attempt or no mail"
    events, mails = Counter(name for name, *_ in ending.events), Counter(sent.template for sent in ending.outbox)
    twins = [
        ("attempts", len(ending.attempts), events["registration_opened"] + events["registration_known"]),
        ("accounts", len(ending.people), events["account_created"]),
        (
            "mails of new passwords",
            mails["passwords/password_changed"],
            events["password_changed"] + events["password_reset"],
        ),
    ]
    for what, rows, told in twins:
        if rows != told:
            yield f"{rows} {what}, {told} events of them"


def every_change_has_its_event(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C11: sign-ins and sign-outs by their session, new passwords by their person."""
    by_session = {(name, session) for name, _, session in ending.events}
    for call in acked(calls, "sign_in", "probe"):
        if ("sign_in", call.session) not in by_session:
            yield f"the sign-in of {call.person} has no event"
    ended = {session for name, session in by_session if name in {"signed_out", "refresh_token_reused"}}
    for call in acked(calls, "logout"):
        if call.session not in ended:
            yield f"the sign-out of {call.person} has no event"
    by_person = Counter((name, user) for name, user, _ in ending.events)
    for action, name in (("change", "password_changed"), ("reset", "password_reset")):
        for person, times in Counter(call.person for call in acked(calls, action)).items():
            if by_person[name, ending.people.get(person)] < times:
                yield f"{times} times {action} of {person}, fewer events"


def mail_arrives(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C3: whoever was promised a code got it, unless the address has had enough mail."""
    arrived, rows = {mail.message_id for mail in ending.mails}, defaultdict(list)
    for sent in ending.outbox:
        rows[sent.door].append(sent)
        if sent.state == "sent" and sent.message_id not in arrived:
            yield f"a mail to {sent.to} ({sent.template}) is marked as sent and did not arrive"
        if sent.state == "queued" or (sent.state == "dead" and not bounds.refuses_mail):
            yield f"a mail to {sent.to} ({sent.template}) is {sent.state}"
    for call in acked(calls, "register", "forgot"):
        ours = rows[call.door]
        if not any(sent.message_id in arrived or sent.state in {"withheld", "dead"} for sent in ours):
            yield f"{call.person} was promised a mail ({call.action}) and got none"


def mails_are_few_and_alike(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C3: copies of a mail are bounded, and carry one Message-ID and one code; no mail is nobody's."""
    known = {sent.message_id for sent in ending.outbox}
    for message_id, times in Counter(mail.message_id for mail in ending.mails).items():
        alike = {(mail.to, mail.otp) for mail in ending.mails if mail.message_id == message_id}
        if times > bounds.copies:
            yield f"{times} copies of a mail to {alike}, {bounds.copies} are allowed"
        if len(alike) > 1:
            yield f"copies of one mail differ: {alike}"
        if message_id not in known:
            yield f"a mail to {alike} that no row asked for"


def nothing_piles_up(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C13: when all is quiet again, no process holds much more than before."""
    for first, last in ending.held:
        if last.descriptors > first.descriptors * 1.1 + FEW:
            yield f"a process had {first.descriptors} files and connections open, and has {last.descriptors}"
        if last.memory > first.memory * 1.1 + LAST_HASHES:
            yield f"a process held {first.memory >> 20} MB, and holds {last.memory >> 20} MB"


def good_codes_are_taken(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> Iterator[str]:
    """C1: whoever brings the code that was mailed for a door to that door is let in, once somebody is told at all."""
    otps = {mail.message_id: mail.otp for mail in ending.mails}
    mailed = {(sent.door, otps[sent.message_id]) for sent in ending.outbox if sent.message_id in otps}
    told = defaultdict(set)
    for call in calls:
        if call.action in {"verify", "reset"} and (call.door, call.otp) in mailed:
            told[call.person, call.door].add(call.status)
    for (person, _), statuses in told.items():
        if statuses == {401}:
            yield f"{person} brought a good code and was refused"
