"""Whether what was promised was kept: each judge looks at the history and at the ending, and tells what is wrong.

They are functions of plain rows. That each of them sees what it is there for is shown by planted histories.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.faults import judges_of_calls as of_calls
from tests.faults import judges_of_rows as of_rows
from tests.faults.history import Bounds, Call, Ending

Judge = Callable[[Sequence[Call], Ending, Bounds], Iterator[str]]

JUDGES: Sequence[Judge] = (
    of_rows.registrations_are_kept,
    of_rows.registered_people_get_in,
    of_rows.nothing_was_invented,
    of_rows.nothing_is_half_written,
    of_rows.every_change_has_its_event,
    of_rows.mail_arrives,
    of_rows.mails_are_few_and_alike,
    of_rows.good_codes_are_taken,
    of_rows.nothing_piles_up,
    of_calls.codes_open_once,
    of_calls.good_tokens_are_taken,
    of_calls.a_token_has_one_successor,
    of_calls.what_was_revoked_stays_so,
    of_calls.the_last_password_counts,
    of_calls.nothing_is_done_without_a_database,
    of_calls.readers_are_served,
    of_calls.refusals_are_in_order,
    of_calls.answers_come_in_time,
    of_calls.accepted_calls_are_answered,
    of_calls.no_secret_is_written_down,
    of_calls.the_fault_took_place,
)


def judged(calls: Sequence[Call], ending: Ending, bounds: Bounds) -> dict[str, list[str]]:
    """What each judge that is not content says."""
    found = {judge.__name__: list(judge(calls, ending, bounds)) for judge in JUDGES}
    return {name: said for name, said in found.items() if said}
