"""The refresh token format: each token has exactly one spelling, and any other text is rejected."""

from hypothesis import example, given
from hypothesis import strategies as st

from flaskauth.core import crypto
from flaskauth.core.ids import MAX_SAFE_INTEGER
from flaskauth.sessions import refresh_tokens
from flaskauth.sessions.refresh_tokens import MAX_GENERATION, ParsedRefreshToken

NUMBERS = st.integers(1, MAX_SAFE_INTEGER)
GENERATIONS = st.integers(1, MAX_GENERATION)
MACS = st.binary(min_size=32, max_size=32)


def format_token(session_id: int, generation: int, mac: bytes) -> str:
    return f"{session_id}.{generation}.{crypto.base64url_encode(mac)}"


@given(NUMBERS, GENERATIONS, MACS)
def test_parse_refresh_token_round_trips(session_id: int, generation: int, mac: bytes) -> None:
    assert refresh_tokens.parse(format_token(session_id, generation, mac)) == ParsedRefreshToken(
        session_id, generation, mac
    )


@given(st.one_of(st.text(), st.text(st.one_of(st.sampled_from("0123456789.-_+ abcDEF"), st.characters()))))
@example("1.1.")
@example("0.1.AA")
@example("\u0661.1.AA")
@example("9007199254740992.1.AA")
@example("1.2147483648.AA")
@example("1.1.AB")
@example("1.1.AA==")
@example("1" * 100_000 + ".1.AA")
def test_parse_refresh_token_of_any_text_is_canonical(text: str) -> None:
    parsed = refresh_tokens.parse(text)

    assert parsed is None or format_token(parsed.session_id, parsed.generation, parsed.mac) == text


@given(NUMBERS, GENERATIONS, MACS, st.sampled_from(["+{0}.{1}.{2}", "0{0}.{1}.{2}", "{0}.0{1}.{2}", " {0}.{1}.{2}"]))
def test_parse_refresh_token_rejects_number_variants(
    session_id: int, generation: int, mac: bytes, template: str
) -> None:
    assert refresh_tokens.parse(template.format(session_id, generation, crypto.base64url_encode(mac))) is None
