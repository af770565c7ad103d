"""How a code may be typed: case, spaces and dashes do not matter, everything else does."""

from hypothesis import example, given
from hypothesis import strategies as st
from tests.inside import refused
from tests.people import THERE, People
from tests.registration.asking import CONTESTED, GRACE_AT, SPENT, WRONG, attempt, verify, wrong_tries

from flaskauth.codes.derive import ALPHABET, LENGTH, canonical

LETTERS = st.one_of(st.sampled_from(ALPHABET + ALPHABET.lower() + " -"), st.characters())
LONG_S = "\u017f"  # in capitals an S
FULLWIDTH = {ord(letter): ord(letter) + 0xFEE0 for letter in ALPHABET}


def test_case_spaces_and_dashes_do_not_matter(people: People) -> None:
    asked, _other = attempt(people), attempt(people, at=THERE, password="eleven blue lanterns")
    bare = asked.code.replace("-", "")

    for typed in (bare, bare.lower(), f"  {bare} ", " ".join(bare), "-".join(bare), f"--{asked.code.title()}--"):
        # Contested is what the right code is told, again and again, while two attempts wait.
        assert refused(verify(people.client, typed, email=GRACE_AT)) == CONTESTED, typed


def test_what_only_looks_like_the_code_is_wrong_and_costs_a_try(people: People) -> None:
    asked = attempt(people)
    bare = asked.code.replace("-", "")
    alike = [bare.translate(FULLWIDTH), f"{bare}\u00a0", f"{bare[:4]}\u2013{bare[4:]}", f"{bare}\t", "\u0662" * 8]

    assert [refused(verify(people.client, typed, verification_id=asked.id)) for typed in alike] == [WRONG] * 5
    assert refused(verify(people.client, asked.code, verification_id=asked.id)) == SPENT


def test_what_is_not_a_string_of_1_to_64_characters_is_no_code_and_costs_no_try(people: People) -> None:
    for otp in (12345678, 1.5, True, None, ["BCDF-2345"], {"code": "x"}, "", "B" * 65, "BCDF\x002345"):
        answer = people.client.post("/auth/verify", json={"otp": otp, "email": GRACE_AT})
        assert refused(answer) == (422, "invalid_input"), otp
        assert list(answer.get_json()["errors"]) == ["otp"]

    assert wrong_tries(people.client, 6, email=GRACE_AT) == [401] * 5 + [429]


def test_any_other_string_is_a_wrong_code(people: People) -> None:
    for otp in ("B", "B" * 64, LONG_S * 8, "ß" * 4, "ﬀ" * 8, "\u200b", " ", "-", "🗝"):
        assert refused(verify(people.client, otp)) == WRONG, otp


@given(st.text(LETTERS))
def test_a_code_reads_in_one_way_or_in_none(typed: str) -> None:
    code = canonical(typed)

    assert code == "" or (len(code) == LENGTH and set(code) <= set(ALPHABET))
    assert canonical(code) == code


@given(st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH), st.data())
def test_spaces_and_dashes_may_stand_anywhere(code: str, data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.text(" -", max_size=2), min_size=LENGTH, max_size=LENGTH))
    typed = "".join(gap + letter for gap, letter in zip(gaps, code, strict=True))

    assert canonical(typed) == canonical(typed.lower()) == code


@given(st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH), st.characters(min_codepoint=128))
@example("BCDF2345", LONG_S)
@example("BCDF2345", "ß")  # in capitals SS
@example("BCDF2345", "\ufb06")  # in capitals ST
def test_no_letter_beyond_ascii_stands_for_any_of_ours(code: str, letter: str) -> None:
    assert {canonical(letter + code[kept:]) for kept in range(3)} == {""}
