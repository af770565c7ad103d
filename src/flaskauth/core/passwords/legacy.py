"""Password hashes of other applications: the supported schemes, and the limit of their cost."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from flaskauth.core.passwords import verifiers
from flaskauth.core.passwords.verifiers import BCRYPT_MAX_BYTES, Verifier, passlib_verifier

MAX_HASH_BYTES = 255  # bytes; the size of the column
# An imported hash must not make the server busy: a comparison takes about two seconds of CPU and 256 MiB at most.
MAX_ROUNDS = 5_000_000
MAX_MEMORY = 256 * 1024  # KiB
MAX_TOTAL_MEMORY = 1024 * 1024  # KiB, over all passes
BCRYPT_COSTS = range(4, 16)
PHPASS_COSTS = range(7, 21)
ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_BCRYPT = r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}"
_ARGON2 = r"\$argon2(?:id|i|d)\$(?:v=\d\d\$)?m=(?P<m>\d+),t=(?P<t>\d+),p=(?P<p>\d+)\$[!-#%-~]+\$[!-#%-~]+"


@dataclass(frozen=True)
class HashScheme:
    """A format of password hashes. The groups of `pattern` are the arguments of `is_cost_allowed`."""

    name: str
    pattern: re.Pattern[str]
    is_cost_allowed: Callable[..., bool]
    verify: Verifier


def identify(stored: str) -> HashScheme | None:
    """Return the scheme of a hash, or None if it is not supported."""
    return next((scheme for scheme in SCHEMES if scheme.pattern.fullmatch(stored)), None)


def scheme_name(stored: str) -> str | None:
    """Return the name of the scheme of a hash, or None if it is not supported."""
    scheme = identify(stored)
    return scheme.name if scheme else None


def reason_unsupported(stored: str) -> str | None:
    """Return why a hash cannot be imported, or None: too long, unknown scheme, or too costly to compare."""
    if len(stored) > MAX_HASH_BYTES:  # every scheme is ASCII
        return f"longer than {MAX_HASH_BYTES} bytes"
    scheme = identify(stored)
    if scheme is None:
        return "unknown hash scheme"
    return None if _is_cost_allowed(scheme, stored) else "cost above the limit"


def verify(password: str, stored: str) -> bool:
    """Return True if the hash is of this password. The password is not normalized.

    Raises:
        ValueError: the hash is not supported, malformed or too costly.
    """
    scheme = identify(stored)
    if scheme is None or not _is_cost_allowed(scheme, stored):
        raise ValueError("unsupported hash")
    try:
        return scheme.verify(password, stored)
    except Exception as error:  # the libraries raise various exceptions for a malformed hash
        raise ValueError("malformed hash") from error


def _is_cost_allowed(scheme: HashScheme, stored: str) -> bool:
    match = scheme.pattern.fullmatch(stored)
    return match is not None and scheme.is_cost_allowed(**match.groupdict())


def _are_rounds_allowed(rounds: str) -> bool:
    return len(rounds) < 10 and 1 <= int(rounds) <= MAX_ROUNDS


def _is_bcrypt_cost_allowed(cost: str) -> bool:
    return int(cost) in BCRYPT_COSTS


def _is_phpass_cost_allowed(cost: str) -> bool:
    return ITOA64.index(cost) in PHPASS_COSTS


def _is_argon2_cost_allowed(m: str, t: str, p: str) -> bool:
    if max(len(m), len(t), len(p)) > 9:
        return False
    return 8 <= int(m) <= MAX_MEMORY and int(t) >= 1 and int(m) * int(t) <= MAX_TOTAL_MEMORY and 1 <= int(p) <= 16


def _is_scrypt_cost_allowed(n: str, r: str, p: str) -> bool:
    if max(len(n), len(r), len(p)) > 9:
        return False
    memory = int(n) * int(r) // 8  # KiB
    return 0 < memory <= MAX_MEMORY and int(p) >= 1 and memory * int(p) <= MAX_TOTAL_MEMORY


def _is_scrypt_log_cost_allowed(ln: str, r: str, p: str) -> bool:
    return len(ln) < 3 and _is_scrypt_cost_allowed(str(2 ** min(int(ln), 29)), r, p)


def _make_scheme(name: str, pattern: str, is_cost_allowed: Callable[..., bool], verify: Verifier) -> HashScheme:
    return HashScheme(name, re.compile(pattern, re.ASCII), is_cost_allowed, verify)


def _pbkdf2(name: str, prefix: str, passlib_name: str) -> HashScheme:
    pattern = rf"{re.escape(prefix)}\$(?P<rounds>\d+)\$[!-#%-~]*\$[!-#%-~]+"
    return _make_scheme(name, pattern, _are_rounds_allowed, passlib_verifier(passlib_name))


SCHEMES = (
    _make_scheme("argon2", _ARGON2, _is_argon2_cost_allowed, verifiers.verify_argon2),
    _make_scheme("bcrypt", _BCRYPT, _is_bcrypt_cost_allowed, passlib_verifier("bcrypt", BCRYPT_MAX_BYTES)),
    _make_scheme(
        "bcrypt-sha256",
        r"\$bcrypt-sha256\$(?:v=2,t=2[ab],r=|2[ab],)(?P<cost>\d{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}",
        _is_bcrypt_cost_allowed,
        passlib_verifier("bcrypt_sha256"),
    ),
    _pbkdf2("pbkdf2-sha1", "$pbkdf2", "pbkdf2_sha1"),
    _pbkdf2("pbkdf2-sha256", "$pbkdf2-sha256", "pbkdf2_sha256"),
    _pbkdf2("pbkdf2-sha512", "$pbkdf2-sha512", "pbkdf2_sha512"),
    _make_scheme(
        "scrypt",
        r"\$scrypt\$ln=(?P<ln>\d+),r=(?P<r>\d+),p=(?P<p>\d+)\$[!-#%-~]*\$[!-#%-~]+",
        _is_scrypt_log_cost_allowed,
        passlib_verifier("scrypt"),
    ),
    _make_scheme(
        "phpass",
        r"\$[PH]\$(?P<cost>[./0-9A-Za-z])[./0-9A-Za-z]{30}",
        _is_phpass_cost_allowed,
        passlib_verifier("phpass"),
    ),
    _make_scheme("wordpress bcrypt", rf"\$wp{_BCRYPT}", _is_bcrypt_cost_allowed, verifiers.verify_wordpress),
    _pbkdf2("django pbkdf2-sha256", "pbkdf2_sha256", "django_pbkdf2_sha256"),
    _pbkdf2("django pbkdf2-sha1", "pbkdf2_sha1", "django_pbkdf2_sha1"),
    _make_scheme("django argon2", rf"argon2{_ARGON2}", _is_argon2_cost_allowed, passlib_verifier("django_argon2")),
    _make_scheme(
        "django bcrypt",
        rf"bcrypt\${_BCRYPT}",
        _is_bcrypt_cost_allowed,
        passlib_verifier("django_bcrypt", BCRYPT_MAX_BYTES),
    ),
    _make_scheme(
        "django bcrypt-sha256",
        rf"bcrypt_sha256\${_BCRYPT}",
        _is_bcrypt_cost_allowed,
        passlib_verifier("django_bcrypt_sha256"),
    ),
    _make_scheme(
        "django scrypt",
        r"scrypt\$(?P<n>\d+)\$[!-#%-~]*\$(?P<r>\d+)\$(?P<p>\d+)\$[A-Za-z0-9+/]{20,}=*",
        _is_scrypt_cost_allowed,
        verifiers.verify_django_scrypt,
    ),
    _make_scheme(
        "werkzeug scrypt",
        r"scrypt:(?P<n>\d+):(?P<r>\d+):(?P<p>\d+)\$[!-#%-~]+\$[0-9a-f]+",
        _is_scrypt_cost_allowed,
        verifiers.verify_werkzeug,
    ),
    _make_scheme(
        "werkzeug pbkdf2",
        r"pbkdf2:(?:sha1|sha256|sha512):(?P<rounds>\d+)\$[!-#%-~]+\$[0-9a-f]+",
        _are_rounds_allowed,
        verifiers.verify_werkzeug,
    ),
)
