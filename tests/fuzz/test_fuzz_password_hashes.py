"""Any imported password hash is either rejected or compared within an acceptable time."""

import time
from contextlib import suppress

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.users import PASSWORD
from tests.user_admin.sample_hashes import SAMPLES

from flaskauth.core.passwords import legacy
from flaskauth.core.passwords.legacy import MAX_HASH_BYTES, SCHEMES

# No digits but 0: a higher cost is acceptable, but not a hundred times in a test.
LETTERS = "0$=,:./+aZé\0\n\ud800"
REASONS = {
    *(None, f"longer than {MAX_HASH_BYTES} bytes", "unknown hash scheme", "cost outside the limits"),
    *(f"malformed {scheme.name} hash" for scheme in SCHEMES),
}


@st.composite
def corrupted_hashes(draw: st.DrawFn) -> str:
    """A hash with a few characters changed."""
    password_hash = draw(st.sampled_from(sorted(SAMPLES.values())))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(password_hash)))
        password_hash = (
            password_hash[:start]
            + draw(st.text(LETTERS, max_size=2))
            + password_hash[draw(st.integers(start, min(len(password_hash), start + 3))) :]
        )
    return password_hash


@given(st.one_of(corrupted_hashes(), st.text()), st.text(max_size=300))
def test_verify_of_any_hash_returns_bool_or_raises(password_hash: str, password: str) -> None:
    assume(password_hash not in SAMPLES.values())
    started_at = time.thread_time()
    with suppress(ValueError):
        assert legacy.verify(password or PASSWORD, password_hash) in {True, False}
    assert time.thread_time() - started_at < 5


@given(
    st.one_of(
        corrupted_hashes(),
        st.text(),
        st.sampled_from(SCHEMES).flatmap(lambda scheme: st.from_regex(scheme.pattern, fullmatch=True)),
    )
)
def test_unsupported_hash_is_explained_quickly(password_hash: str) -> None:
    started_at = time.thread_time()
    reason, scheme = legacy.reason_unsupported(password_hash), legacy.identify(password_hash)

    assert reason in REASONS
    assert reason is not None or (
        scheme is not None and password_hash.isascii() and len(password_hash) <= MAX_HASH_BYTES
    )
    assert time.thread_time() - started_at < 1
