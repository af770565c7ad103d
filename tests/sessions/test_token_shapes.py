"""A refresh token reads in one way, and anything else is none."""

from hypothesis import example, given
from hypothesis import strategies as st

from flaskauth.foundation import crypto
from flaskauth.foundation.ids import LARGEST
from flaskauth.sessions import refresh_tokens
from flaskauth.sessions.refresh_tokens import MOST_GENERATIONS, Presented

NUMBERS = st.integers(1, LARGEST)
GENERATIONS = st.integers(1, MOST_GENERATIONS)
MACS = st.binary(min_size=32, max_size=32)


def written(session_id: int, generation: int, mac: bytes) -> str:
    return f"{session_id}.{generation}.{crypto.encode(mac)}"


@given(NUMBERS, GENERATIONS, MACS)
def test_what_was_written_is_what_is_read(session_id: int, generation: int, mac: bytes) -> None:
    assert refresh_tokens.parse(written(session_id, generation, mac)) == Presented(session_id, generation, mac)


@given(st.one_of(st.text(), st.text(st.one_of(st.sampled_from("0123456789.-_+ abcDEF"), st.characters()))))
@example("1.1.")
@example("0.1.AA")
@example("\u0661.1.AA")
@example("9007199254740992.1.AA")
@example("1.2147483648.AA")
@example("1.1.AB")
@example("1.1.AA==")
@example("1" * 100_000 + ".1.AA")
def test_any_text_reads_as_itself_or_not_at_all(text: str) -> None:
    found = refresh_tokens.parse(text)

    assert found is None or written(found.session_id, found.generation, found.mac) == text


@given(NUMBERS, GENERATIONS, MACS, st.sampled_from(["+{0}.{1}.{2}", "0{0}.{1}.{2}", "{0}.0{1}.{2}", " {0}.{1}.{2}"]))
def test_a_number_is_written_in_one_way(session_id: int, generation: int, mac: bytes, shape: str) -> None:
    assert refresh_tokens.parse(shape.format(session_id, generation, crypto.encode(mac))) is None
