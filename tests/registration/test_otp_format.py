"""One-time codes ignore case, white space, dashes and format characters; any other deviation is rejected."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from tests.email_change.helpers import RequestedChange, confirm_change
from tests.passwords.helpers import request_reset, reset_password
from tests.registration.helpers import (
    ATTEMPTS_EXHAUSTED,
    GRACE_EMAIL,
    INVALID_CODE,
    VERIFICATION_AMBIGUOUS,
    start_registration,
    submit_wrong_codes,
    verify,
)
from tests.sessions.helpers import SessionClient
from tests.support.inspect import error_of
from tests.support.users import OTHER_IP, UserFactory

from flaskauth.one_time_codes.derivation import ALPHABET, LENGTH, normalize_code

LETTERS = st.one_of(st.sampled_from(ALPHABET + ALPHABET.lower() + " -"), st.characters())
LONG_S = "\u017f"  # in capitals an S
IGNORED_CHARACTERS = (
    *("\n", "\r\n", "\t", "\u00a0", "\u2009", "\u202f", "\u3000", "\u2028"),  # white space
    *("-", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212", "\uff0d", "\ufe63"),  # dashes
    *("\u30fc", "\uff70", "\ufe0f"),  # the hyphen of Japanese keyboards, a variation selector
    *("\u00ad", "\u200b", "\u200d", "\u200e", "\u202a", "\u2060", "\u2066", "\ufeff"),  # format characters
)
FOREIGN_CHARACTERS = ("ß", "\u0412", "\u0392", "\u0662", "\u0301", "_", ".", "\u00b7", "\u2043")
FULLWIDTH = {ord(letter): ord(letter) + 0xFEE0 for letter in ALPHABET}


def test_otp_ignores_case_spaces_and_dashes(users: UserFactory) -> None:
    registration, _other = (
        start_registration(users),
        start_registration(users, at=OTHER_IP, password="eleven blue lanterns"),
    )
    code = registration.code.replace("-", "")

    for typed in (code, code.lower(), f"  {code} ", " ".join(code), "-".join(code), f"--{registration.code.title()}--"):
        # While two registrations are pending, the right code gets this error, and its attempt is refunded.
        assert error_of(verify(users.client, typed, email=GRACE_EMAIL)) == VERIFICATION_AMBIGUOUS, typed


def paste(code: str) -> str:
    """Return a code with the characters that keyboards, mail programs and messengers insert."""
    return f"\u200b{code[:3].translate(FULLWIDTH)}{code[3]}\u2011\u00ad{code[5:].lower()}\u00a0\n"


@pytest.mark.parametrize("character", IGNORED_CHARACTERS, ids=ascii)
def test_otp_ignores_white_space_dashes_and_format(character: str) -> None:
    for typed in (f"BCDF2345{character}", f"{character}bcdf{character}2345", character.join("BCDF2345")):
        assert normalize_code(typed) == "BCDF2345"


def test_verify_with_pasted_unicode_code_succeeds(users: UserFactory) -> None:
    registration = start_registration(users)

    assert verify(users.client, paste(registration.code), verification_id=registration.id).status_code == 200


def test_reset_with_pasted_unicode_code_succeeds(users: UserFactory) -> None:
    users.create_verified()
    reset = request_reset(users)

    assert reset_password(users.client, paste(reset.code), reset_id=reset.id).status_code == 200


def test_email_change_with_pasted_code_succeeds(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    change = RequestedChange.request(app, session)

    assert confirm_change(session.client, session.token, paste(change.code)).status_code == 200


def test_otp_with_unicode_lookalikes_counts_an_attempt(users: UserFactory) -> None:
    registration = start_registration(users)
    code = registration.code.replace("-", "")
    lookalikes = [f"{code}.", f"{code[:4]}_{code[4:]}", f"{code}\u00b7", f"{code}\u0301", "\u0662" * 8]

    assert [error_of(verify(users.client, typed, verification_id=registration.id)) for typed in lookalikes] == [
        INVALID_CODE
    ] * 5
    assert error_of(verify(users.client, registration.code, verification_id=registration.id)) == ATTEMPTS_EXHAUSTED


def test_malformed_otp_counts_no_attempt(users: UserFactory) -> None:
    for otp in (12345678, 1.5, True, None, ["BCDF-2345"], {"code": "x"}, "", "B" * 65, "BCDF\x002345"):
        response = users.client.post("/auth/verify", json={"otp": otp, "email": GRACE_EMAIL})
        assert error_of(response) == (422, "validation_failed"), otp
        assert list(response.get_json()["errors"]) == ["otp"]

    assert submit_wrong_codes(users.client, 6, email=GRACE_EMAIL) == [401] * 5 + [429]


def test_otp_of_any_other_string_is_rejected(users: UserFactory) -> None:
    for otp in ("B", "B" * 64, LONG_S * 8, "ß" * 4, "ﬀ" * 8, "\u200b", " ", "-", "🗝"):
        assert error_of(verify(users.client, otp)) == INVALID_CODE, otp


@given(st.text(LETTERS))
def test_otp_canonical_form_is_idempotent(typed: str) -> None:
    code = normalize_code(typed)

    assert code == "" or (len(code) == LENGTH and set(code) <= set(ALPHABET))
    assert normalize_code(code) == code


@given(st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH), st.data())
def test_otp_allows_spaces_and_dashes_anywhere(code: str, data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.text(" -", max_size=2), min_size=LENGTH, max_size=LENGTH))
    typed = "".join(gap + letter for gap, letter in zip(gaps, code, strict=True))

    assert normalize_code(typed) == normalize_code(typed.lower()) == code


@given(st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH), st.sampled_from(FOREIGN_CHARACTERS))
def test_otp_with_unicode_letter_is_invalid(code: str, letter: str) -> None:
    assert {normalize_code(letter + code[start:]) for start in range(3)} == {""}
