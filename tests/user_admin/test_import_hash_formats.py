"""The import accepts exactly the hashes that a sign-in can compare, in a dry run too."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator

import pytest
from argon2.low_level import Type, hash_secret
from flask import Flask
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support.users import PASSWORD
from tests.user_admin.helpers import AdminCLI, user_by_email, user_row
from tests.user_admin.sample_hashes import SAMPLES, hash_passlib
from werkzeug.security import generate_password_hash

from flaskauth.core.passwords import legacy

# Hashes whose digest or salt is too short or too long, or is not what the scheme writes.
MALFORMED_ENDS: dict[str, Callable[[str], str]] = {
    "truncated": lambda text: text[:-1],
    "truncated to half": lambda text: text[: len(text) - 15],
    "without digest": lambda text: text[: text.rindex("$") + 1],
    "extended": lambda text: text + "a",
    "extended by a digest": lambda text: text + text[-8:],
    "padded": lambda text: text + "=",
    "followed by a line break": lambda text: text + "\n",
    "not in the alphabet": lambda text: text[:-3] + "*" + text[-2:],
    "separated again": lambda text: text[:-3] + "$" + text[-2:],
    "not ASCII": lambda text: text[:-3] + "é" + text[-2:],
}
# Everything here has the right length, but a library cannot compare it or needs too much work.
UNSUPPORTED = {
    "argon2 digest of 4 bytes": "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$YWFhYQ",
    "argon2 salt of 4 bytes": f"$argon2id$v=19$m=64,t=1,p=1$c2FsdA${'a' * 42}A",
    "argon2 version 18": f"$argon2id$v=18$m=64,t=1,p=1$c2FsdHNhbHQ${'a' * 42}A",
    "argon2 memory below 8 KiB per lane": f"$argon2id$v=19$m=31,t=1,p=4$c2FsdHNhbHQ${'a' * 42}A",
    "argon2 unused bits": f"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ${'a' * 43}",
    "bcrypt unused bits of the salt": f"$2b$04${'a' * 53}",
    "bcrypt-sha256 of a type that libpass never wrote": f"$bcrypt-sha256$v=2,t=2a,r=4${'a' * 21}e${'a' * 30}e",
    "pbkdf2 leading zero": f"$pbkdf2-sha256$09$c2FsdA${'a' * 42}A",
    "pbkdf2 with 5 million rounds of SHA-512": f"pbkdf2:sha512:5000000$salt${'a' * 128}",
    "pbkdf2 salt beyond the column": f"pbkdf2:sha256:9${'s' * 200}${'a' * 64}",
    "django salt that libpass rejects": f"pbkdf2_sha256$9$a_b${'a' * 42}A=",
    "scrypt n that is no power of two": f"scrypt:1000:8:1$salt${'a' * 128}",
    "scrypt n of 1": f"scrypt:1:8:1$salt${'a' * 128}",
    "scrypt n beyond r": f"scrypt:65536:1:1$salt${'a' * 128}",
    "scrypt memory": f"scrypt:262144:16:1$salt${'a' * 128}",
    "phpass unused bits": f"$P$5{'a' * 30}",
    "werkzeug digest in capitals": f"scrypt:1024:8:1$salt${'A' * 128}",
}
# Each takes about a second of CPU. libsodium's interactive and moderate parameters, and the largest of PHP and Django.
AT_THE_LIMITS = {
    "argon2": f"$argon2id$v=19$m=262144,t=3,p=1$c2FsdHNhbHQ${'a' * 42}A",
    "bcrypt": f"$2b$14${'a' * 21}e{'a' * 30}e",
    "pbkdf2-sha1": f"$pbkdf2$4000000$c2FsdA${'a' * 26}A",
    "pbkdf2-sha512": f"pbkdf2:sha512:1500000$salt${'a' * 128}",
    "scrypt": f"scrypt:262144:8:1$salt${'a' * 128}",
    "phpass": f"$P$I{'a' * 29}.",
}
SMALL_COSTS = {
    "m": ("8", "16", "64"),
    "t": ("1", "2"),
    "p": ("1", "2"),
    "n": ("2", "16", "256"),
    "r": ("1", "2", "8"),
    "ln": ("1", "4", "8"),
    "rounds": ("1", "9"),
    "cost": ("04", "4", "5"),  # of bcrypt, bcrypt-sha256 and phpass
}
COSTS = {
    "argon2id": r"(?<=[,$][mtp]=)\d+",
    "bcrypt 2b": r"(?<=\$2b\$)\d+",
    "bcrypt-sha256": r"(?<=r=)\d+",
    "older bcrypt-sha256": r"(?<=,)\d+",
    "pbkdf2": r"(?<=^\$pbkdf2\$)\d+",
    "pbkdf2-sha256": r"(?<=sha256\$)\d+",
    "pbkdf2-sha512": r"(?<=sha512\$)\d+",
    "scrypt": r"(?<=[,$nr]=)\d+",
    "wordpress": r"(?<=2y\$)\d+",
    "django pbkdf2_sha256": r"(?<=sha256\$)\d+",
    "django pbkdf2_sha1": r"(?<=sha1\$)\d+",
    "django argon2": r"(?<=[,$][mtp]=)\d+",
    "django bcrypt": r"(?<=2b\$)\d+",
    "django bcrypt_sha256": r"(?<=2b\$)\d+",
    "django scrypt": r"(?<=\$)\d+(?=\$)",
    "werkzeug scrypt": r"(?<=:)\d+",
    "werkzeug pbkdf2": r"(?<=sha256:)\d+",
}


def with_each_cost(sample: str, value: str) -> Iterator[str]:
    """Replace one cost after the other of a sample."""
    for match in re.finditer(COSTS[sample], SAMPLES[sample]):
        yield SAMPLES[sample][: match.start()] + value + SAMPLES[sample][match.end() :]


MALFORMED = {
    f"{sample} {change}": make(text)
    for sample, text in SAMPLES.items()
    for change, make in MALFORMED_ENDS.items()
    if make(text) != text
}
OUTSIDE_LIMITS = {
    f"{sample} {value} {number}": text
    for sample in COSTS
    for value in ("0", "00", "4000000001", "9" * 50)
    for number, text in enumerate(with_each_cost(sample, value))
}


def test_import_malformed_hashes_are_rejected(admin_cli: AdminCLI) -> None:
    hashes = [*MALFORMED.values(), *OUTSIDE_LIMITS.values(), *UNSUPPORTED.values()]
    rows = [user_row(f"u{number}@example.com", id=None, password=text) for number, text in enumerate(hashes)]

    dry_run = admin_cli.import_rows(*rows, options=("--dry-run",))
    assert (dry_run.exit_code, dry_run.reported_count("rejected")) == (1, len(rows))
    result = admin_cli.import_rows(*rows)
    assert (result.exit_code, result.reported_count("imported")) == (1, 0)


@pytest.mark.parametrize(
    ("password_hash", "reason"),
    [
        (generate_password_hash(PASSWORD)[:128], "malformed werkzeug scrypt hash"),
        (UNSUPPORTED["argon2 digest of 4 bytes"], "malformed argon2 hash"),
        (UNSUPPORTED["pbkdf2 with 5 million rounds of SHA-512"], "cost outside the limits"),
        (UNSUPPORTED["pbkdf2 salt beyond the column"], "longer than 255 bytes"),
        ("plain text", "unknown hash scheme"),
    ],
)
def test_import_rejected_hash_has_reason(admin_cli: AdminCLI, password_hash: str, reason: str) -> None:
    result = admin_cli.import_rows(user_row(password=password_hash), options=("--dry-run",))
    assert f"password: {reason}" in result.stdout + result.stderr


@pytest.mark.usefixtures("real_argon2")
def test_import_of_complete_hash_signs_in(app: Flask, admin_cli: AdminCLI) -> None:
    rows = [user_row(f"u{number}@example.com", id=None, password=text) for number, text in enumerate(SAMPLES.values())]

    assert admin_cli.import_rows(*rows).reported_count("imported") == len(rows)
    for number in (0, len(rows) - 2):
        assert user_by_email(app, f"u{number}@example.com").login(PASSWORD).status_code == 200


@settings(max_examples=40)
@given(st.sampled_from(legacy.SCHEMES), st.data())
def test_accepted_hash_is_compared_without_error(scheme: legacy.HashScheme, data: st.DataObject) -> None:
    """Any text that has the format of a scheme, with low costs."""
    text = data.draw(st.from_regex(scheme.pattern, fullmatch=True))
    match = scheme.pattern.fullmatch(text)
    assert match
    for name in sorted(match.groupdict(), key=match.start, reverse=True):
        text = text[: match.start(name)] + data.draw(st.sampled_from(SMALL_COSTS[name])) + text[match.end(name) :]
    assume(legacy.reason_unsupported(text) is None)

    assert scheme.verify(PASSWORD, text) is False


@given(st.integers(0, 70), st.integers(4, 70), st.sampled_from([1, 2, 3]), st.sampled_from([1, 4]))
def test_argon2_hash_of_known_password_is_accepted_if_it_matches(salt: int, size: int, passes: int, lanes: int) -> None:
    assume(salt >= 8)
    stored = hash_secret(PASSWORD.encode(), b"s" * salt, passes, 32, lanes, size, Type.ID).decode()

    assert (legacy.reason_unsupported(stored) is None) is (size in {16, 32, 64} and len(stored) <= 255)
    if legacy.reason_unsupported(stored) is None:
        assert legacy.verify(PASSWORD, stored)


@given(st.integers(0, 8), st.integers(1, 4), st.integers(1, 4), st.text("azAZ09./+-:", min_size=1, max_size=40))
def test_scrypt_hash_of_known_password_matches(log_n: int, r: int, p: int, salt: str) -> None:
    n = 2**log_n
    stored = None
    try:
        digest = hashlib.scrypt(PASSWORD.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=2**30)
        stored = f"scrypt${n}${salt}${r}${p}${base64.b64encode(digest).decode()}"
        werkzeug_hash = f"scrypt:{n}:{r}:{p}${salt}${digest.hex()}"
    except ValueError:
        assert legacy.reason_unsupported(f"scrypt:{n}:{r}:{p}${salt}${'a' * 128}")
        return
    assert legacy.verify(PASSWORD, stored)
    assert legacy.verify(PASSWORD, werkzeug_hash)


@given(
    st.sampled_from(["pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "scrypt"]),
    st.integers(1, 12),
    st.integers(0, 40),
)
def test_passlib_hash_of_known_password_matches(scheme: str, rounds: int, salt_size: int) -> None:
    assert legacy.verify(PASSWORD, hash_passlib(scheme, PASSWORD, rounds=rounds, salt_size=salt_size))


def test_hashes_at_the_cost_limits_are_accepted() -> None:
    assert {name: legacy.reason_unsupported(text) for name, text in AT_THE_LIMITS.items()} == dict.fromkeys(
        AT_THE_LIMITS
    )
