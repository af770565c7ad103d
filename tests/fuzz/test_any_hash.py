"""Password hashes from elsewhere: whatever stands there is compared for a bearable price, or is none."""

import time
from contextlib import suppress

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.people import PASSWORD
from tests.users.hashes import SAMPLES

from flaskauth.foundation import foreign_hashes
from flaskauth.foundation.foreign_hashes import KINDS, LONGEST

# No digits but 0: a cost that grows may be borne, but not a hundred times in a test.
LETTERS = "0$=,:./+aZé\0\n\ud800"
COMPLAINTS = {None, f"longer than {LONGEST} bytes", "not of a known kind", "asks for too much work"}


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A hash with a few letters changed."""
    whole = draw(st.sampled_from(sorted(SAMPLES.values())))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(whole)))
        whole = (
            whole[:start]
            + draw(st.text(LETTERS, max_size=2))
            + whole[draw(st.integers(start, min(len(whole), start + 3))) :]
        )
    return whole


@given(st.one_of(broken(), st.text()), st.text(max_size=300))
def test_a_comparison_says_yes_no_or_that_it_is_no_hash(stored: str, password: str) -> None:
    assume(stored not in SAMPLES.values())
    began = time.thread_time()
    with suppress(ValueError):
        assert foreign_hashes.matches(password or PASSWORD, stored) in {True, False}
    assert time.thread_time() - began < 5


@given(
    st.one_of(
        broken(), st.text(), st.sampled_from(KINDS).flatmap(lambda kind: st.from_regex(kind.shape, fullmatch=True))
    )
)
def test_what_is_wrong_with_a_hash_is_said_at_once(stored: str) -> None:
    began = time.thread_time()
    complaint, kind = foreign_hashes.complaint(stored), foreign_hashes.kind(stored)

    assert complaint in COMPLAINTS
    assert complaint is not None or (kind is not None and stored.isascii() and len(stored) <= LONGEST)
    assert time.thread_time() - began < 1
