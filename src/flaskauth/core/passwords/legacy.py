"""Password hashes of other applications: the supported schemes, their exact formats, and the limits of their cost."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from flaskauth.core.passwords import verifiers
from flaskauth.core.passwords.verifiers import BCRYPT_MAX_BYTES, Verifier, passlib_verifier

MAX_HASH_BYTES = 255  # bytes; the size of the column
# An imported hash must not make the server busy: a comparison takes about a second of CPU and 256 MiB at most.
MAX_ROUNDS = {"sha1": 4_000_000, "sha256": 4_000_000, "sha512": 1_500_000}
MAX_MEMORY = 256 * 1024  # KiB; for scrypt, of all lanes together
MAX_ARGON2_MEMORY = 768 * 1024  # KiB, over all passes
BCRYPT_COSTS = range(4, 15)
PHPASS_COSTS = range(7, 21)
ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

BASE64, PASSLIB_BASE64 = "[A-Za-z0-9+/]", "[A-Za-z0-9./+]"
# The last character of unpadded Base64 has unused bits. They are zero: libargon2 and libraries that compare text never
# match another spelling.
END_OF_2_BYTES, END_OF_1_BYTE = "[AEIMQUYcgkosw048]", "[AQgw]"
BCRYPT_SALT, BCRYPT_DIGEST = "[./A-Za-z0-9]{21}[.Oeu]", "[./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"
DIGEST_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}
TEXT = r"[!-#%-~]+"  # printable ASCII without the separator

Cost = Callable[..., bool]


@dataclass(frozen=True)
class HashScheme:
    """A format of password hashes. The groups of `pattern` are the arguments of `is_cost_allowed`."""

    name: str
    prefixes: tuple[str, ...]
    pattern: re.Pattern[str]
    is_cost_allowed: Cost
    verify: Verifier


def identify(stored: str) -> HashScheme | None:
    """Return the scheme of a hash by its prefix, or None. The hash may be malformed or too costly."""
    return next((scheme for scheme in SCHEMES if stored.startswith(scheme.prefixes)), None)


def scheme_name(stored: str) -> str | None:
    """Return the name of the scheme of a hash, or None if it is not supported."""
    scheme = identify(stored)
    return scheme.name if scheme else None


def reason_unsupported(stored: str) -> str | None:
    """Return why a hash cannot be compared, or None: too long, unknown scheme, malformed, or too costly."""
    if len(stored) > MAX_HASH_BYTES:  # every scheme is ASCII
        return f"longer than {MAX_HASH_BYTES} bytes"
    scheme = identify(stored)
    if scheme is None:
        return "unknown hash scheme"
    match = scheme.pattern.fullmatch(stored)
    if match is None:
        return f"malformed {scheme.name} hash"
    return None if scheme.is_cost_allowed(**match.groupdict()) else "cost outside the limits"


def verify(password: str, stored: str) -> bool:
    """Return True if the hash is of this password. The password is not normalized.

    Raises:
        ValueError: the hash is not supported, malformed or too costly.
    """
    scheme = identify(stored)
    if scheme is None or reason_unsupported(stored):
        raise ValueError("unsupported hash")
    return scheme.verify(password, stored)


def _are_rounds_allowed(algorithm: str) -> Cost:
    return lambda rounds: len(rounds) < 10 and int(rounds) <= MAX_ROUNDS[algorithm]


def _is_bcrypt_cost_allowed(cost: str) -> bool:
    return int(cost) in BCRYPT_COSTS


def _is_phpass_cost_allowed(cost: str) -> bool:
    return ITOA64.index(cost) in PHPASS_COSTS


def _is_argon2_cost_allowed(m: str, t: str, p: str) -> bool:
    if max(len(m), len(t), len(p)) > 9:
        return False
    memory, passes, lanes = int(m), int(t), int(p)
    has_allowed_memory = 8 * lanes <= memory <= MAX_MEMORY  # libargon2 requires 8 KiB per lane
    return has_allowed_memory and memory * passes <= MAX_ARGON2_MEMORY and lanes <= 16


def _is_scrypt_cost_allowed(n: str, r: str, p: str) -> bool:
    """Check the conditions of RFC 7914 section 2, and limit the memory."""
    if max(len(n), len(r), len(p)) > 9:
        return False
    cost, block_size, lanes = int(n), int(r), int(p)
    is_defined = cost > 1 and cost.bit_count() == 1 and cost.bit_length() <= 16 * block_size
    return is_defined and cost * block_size * lanes // 8 <= MAX_MEMORY


def _is_scrypt_log_cost_allowed(ln: str, r: str, p: str) -> bool:
    return len(ln) < 3 and _is_scrypt_cost_allowed(str(2 ** int(ln)), r, p)


def _number(name: str) -> str:
    """Return the pattern of a positive number. The libraries reject leading zeros."""
    return rf"(?P<{name}>[1-9]\d*)"


def _salt(min_length: int = 0, char: str = BASE64) -> str:
    """Return the pattern of a salt in unpadded Base64, of at least so many characters."""
    return rf"(?=[^$]{{{min_length}}})(?:{char}{{4}})*(?:{char}{{2}}{END_OF_2_BYTES}|{char}{END_OF_1_BYTE})?"


def _digest(size: int, char: str = BASE64) -> str:
    """Return the pattern of a digest in unpadded Base64. `size` is in bytes and not divisible by 3."""
    triples, rest = divmod(size, 3)
    return rf"{char}{{{4 * triples}}}" + (char + END_OF_1_BYTE if rest == 1 else f"{char}{{2}}{END_OF_2_BYTES}")


def _make_scheme(
    name: str, prefixes: tuple[str, ...], rest: str, is_cost_allowed: Cost, verify: Verifier
) -> HashScheme:
    pattern = f"(?:{'|'.join(map(re.escape, prefixes))}){rest}"
    return HashScheme(name, prefixes, re.compile(pattern, re.ASCII), is_cost_allowed, verify)


def _argon2(name: str, prefix: str, verify: Verifier) -> HashScheme:
    """Return Argon2 with one of the digest sizes in use. A free size would accept a truncated hash."""
    digest = "|".join(map(_digest, (16, 32, 64)))
    # libargon2 requires a salt of 8 bytes: 11 characters.
    rest = rf"(?:v=(?:16|19)\$)?m={_number('m')},t={_number('t')},p={_number('p')}\${_salt(11)}\$(?:{digest})"
    prefixes = tuple(f"{prefix}$argon2{variant}$" for variant in ("id", "i", "d"))
    return _make_scheme(name, prefixes, rest, _is_argon2_cost_allowed, verify)


def _bcrypt(name: str, prefix: str, verify: Verifier) -> HashScheme:
    prefixes = tuple(f"{prefix}$2{variant}$" for variant in "aby")
    return _make_scheme(
        name, prefixes, rf"(?P<cost>\d\d)\${BCRYPT_SALT}{BCRYPT_DIGEST}", _is_bcrypt_cost_allowed, verify
    )


def _passlib_pbkdf2(algorithm: str, prefix: str) -> HashScheme:
    rest = rf"{_number('rounds')}\${_salt(char=PASSLIB_BASE64)}\${_digest(DIGEST_BYTES[algorithm], PASSLIB_BASE64)}"
    verify = passlib_verifier(f"pbkdf2_{algorithm}")
    return _make_scheme(f"pbkdf2-{algorithm}", (prefix,), rest, _are_rounds_allowed(algorithm), verify)


def _django_pbkdf2(algorithm: str) -> HashScheme:
    rest = rf"{_number('rounds')}\$[A-Za-z0-9]+\${_digest(DIGEST_BYTES[algorithm])}="
    verify = passlib_verifier(f"django_pbkdf2_{algorithm}")
    prefix = f"pbkdf2_{algorithm}$"
    return _make_scheme(f"django pbkdf2-{algorithm}", (prefix,), rest, _are_rounds_allowed(algorithm), verify)


def _werkzeug_pbkdf2(algorithm: str) -> HashScheme:
    rest = rf"{_number('rounds')}\${TEXT}\$[0-9a-f]{{{2 * DIGEST_BYTES[algorithm]}}}"
    prefix, verify = f"pbkdf2:{algorithm}:", verifiers.verify_werkzeug_pbkdf2
    return _make_scheme("werkzeug pbkdf2", (prefix,), rest, _are_rounds_allowed(algorithm), verify)


SCHEMES = (
    _argon2("argon2", "", verifiers.verify_argon2),
    _bcrypt("bcrypt", "", passlib_verifier("bcrypt", BCRYPT_MAX_BYTES)),
    _make_scheme(
        "bcrypt-sha256",
        ("$bcrypt-sha256$v=2,t=2b,r=", "$bcrypt-sha256$2a,", "$bcrypt-sha256$2b,"),
        rf"(?P<cost>[1-9]\d?)\${BCRYPT_SALT}\${BCRYPT_DIGEST}",
        _is_bcrypt_cost_allowed,
        passlib_verifier("bcrypt_sha256"),
    ),
    _passlib_pbkdf2("sha1", "$pbkdf2$"),
    _passlib_pbkdf2("sha256", "$pbkdf2-sha256$"),
    _passlib_pbkdf2("sha512", "$pbkdf2-sha512$"),
    _make_scheme(
        "scrypt",
        ("$scrypt$",),
        rf"ln={_number('ln')},r={_number('r')},p={_number('p')}\${_salt()}\${_digest(32)}",
        _is_scrypt_log_cost_allowed,
        passlib_verifier("scrypt"),
    ),
    _make_scheme(
        "phpass",
        ("$P$", "$H$"),
        r"(?P<cost>[./0-9A-Za-z])[./0-9A-Za-z]{29}[./01]",
        _is_phpass_cost_allowed,
        passlib_verifier("phpass"),
    ),
    _bcrypt("wordpress bcrypt", "$wp", verifiers.verify_wordpress),
    _django_pbkdf2("sha256"),
    _django_pbkdf2("sha1"),
    _argon2("django argon2", "argon2", verifiers.verify_django_argon2),
    _bcrypt("django bcrypt", "bcrypt$", passlib_verifier("django_bcrypt", BCRYPT_MAX_BYTES)),
    _bcrypt("django bcrypt-sha256", "bcrypt_sha256$", passlib_verifier("django_bcrypt_sha256")),
    _make_scheme(
        "django scrypt",
        ("scrypt$",),
        rf"{_number('n')}\${TEXT}\${_number('r')}\${_number('p')}\${_digest(64)}==",
        _is_scrypt_cost_allowed,
        verifiers.verify_django_scrypt,
    ),
    _make_scheme(
        "werkzeug scrypt",
        ("scrypt:",),
        rf"{_number('n')}:{_number('r')}:{_number('p')}\${TEXT}\$[0-9a-f]{{128}}",
        _is_scrypt_cost_allowed,
        verifiers.verify_werkzeug_scrypt,
    ),
    _werkzeug_pbkdf2("sha1"),
    _werkzeug_pbkdf2("sha256"),
    _werkzeug_pbkdf2("sha512"),
)
