"""Password hashes that other applications made: which kinds are known, and what each may ask for."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from flaskauth.foundation import comparisons

LONGEST = 255  # bytes that the column holds
# A row may not be a way to keep the server busy: about two seconds and 256 MiB at most, on one processor.
MOST_ROUNDS = 5_000_000
MOST_MEMORY = 256 * 1024  # KiB
MOST_PASSED = 1024 * 1024  # KiB, over all passes
BCRYPT_COSTS = range(4, 16)
PHPASS_COSTS = range(7, 21)
ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_BCRYPT = r"\$2[aby]\$(?P<cost>\d\d)\$[./A-Za-z0-9]{53}"
_ARGON2 = r"\$argon2(?:id|i|d)\$(?:v=\d\d\$)?m=(?P<m>\d+),t=(?P<t>\d+),p=(?P<p>\d+)\$[!-#%-~]+\$[!-#%-~]+"
_ROUNDS = r"(?P<rounds>\d+)"
_END = r"\$[!-#%-~]*\$[!-#%-~]+"


@dataclass(frozen=True)
class Kind:
    """One way to write a hash: its whole shape, what may be asked of it, and how a password is compared."""

    name: str
    shape: re.Pattern[str]
    is_bearable: Callable[..., bool]
    compare: Callable[[str, str], bool]


def kind(stored: str) -> Kind | None:
    """The kind of a hash, or None where it is of none that can be compared."""
    return next((known for known in KINDS if known.shape.fullmatch(stored)), None)


def name(stored: str) -> str | None:
    """What the kind of a hash is called."""
    found = kind(stored)
    return found.name if found else None


def complaint(stored: str) -> str | None:
    """Why a hash cannot be taken in: too long, of no kind that is known, or too much work for each comparison."""
    if len(stored) > LONGEST:  # every kind is ASCII
        return f"longer than {LONGEST} bytes"
    found = kind(stored)
    if found is None:
        return "not of a known kind"
    return None if _is_bearable(found, stored) else "asks for too much work"


def matches(password: str, stored: str) -> bool:
    """Whether it is the password behind the hash, compared as it was typed.

    Raises:
        ValueError: this is no hash that can be compared, or not for a bearable price.
    """
    found = kind(stored)
    if found is None or not _is_bearable(found, stored):
        raise ValueError("not a hash that is compared")
    try:
        return found.compare(password, stored)
    except Exception as error:  # whatever the libraries say to a string from elsewhere
        raise ValueError("not a hash that can be compared") from error


def _is_bearable(found: Kind, stored: str) -> bool:
    match = found.shape.fullmatch(stored)
    return match is not None and found.is_bearable(**match.groupdict())


def _rounds(rounds: str) -> bool:
    return len(rounds) < 10 and 1 <= int(rounds) <= MOST_ROUNDS


def _bcrypt_cost(cost: str) -> bool:
    return int(cost) in BCRYPT_COSTS


def _phpass_cost(cost: str) -> bool:
    return ITOA64.index(cost) in PHPASS_COSTS


def _argon2_cost(m: str, t: str, p: str) -> bool:
    if max(len(m), len(t), len(p)) > 9:
        return False
    return 8 <= int(m) <= MOST_MEMORY and int(t) >= 1 and int(m) * int(t) <= MOST_PASSED and 1 <= int(p) <= 16


def _scrypt_cost(n: str, r: str, p: str) -> bool:
    if max(len(n), len(r), len(p)) > 9:
        return False
    memory = int(n) * int(r) // 8  # KiB
    return 0 < memory <= MOST_MEMORY and int(p) >= 1 and memory * int(p) <= MOST_PASSED


def _scrypt_log_cost(ln: str, r: str, p: str) -> bool:
    return len(ln) < 3 and _scrypt_cost(str(2 ** min(int(ln), 29)), r, p)


def _of(name: str, shape: str, is_bearable: Callable[..., bool], compare: Callable[[str, str], bool]) -> Kind:
    return Kind(name, re.compile(shape, re.ASCII), is_bearable, compare)


_SCRYPT_ENDS = r":(?P<n>\d+):(?P<r>\d+):(?P<p>\d+)"

KINDS = (
    _of("argon2", _ARGON2, _argon2_cost, comparisons.argon2),
    _of("bcrypt", _BCRYPT, _bcrypt_cost, comparisons.bcrypt),
    _of(
        "bcrypt-sha256",
        r"\$bcrypt-sha256\$(?:v=2,t=2[ab],r=|2[ab],)(?P<cost>\d{1,2})\$[./A-Za-z0-9]{22}\$[./A-Za-z0-9]{31}",
        _bcrypt_cost,
        comparisons.passlib("bcrypt_sha256"),
    ),
    _of("pbkdf2-sha1", rf"\$pbkdf2\${_ROUNDS}{_END}", _rounds, comparisons.passlib("pbkdf2_sha1")),
    _of("pbkdf2-sha256", rf"\$pbkdf2-sha256\${_ROUNDS}{_END}", _rounds, comparisons.passlib("pbkdf2_sha256")),
    _of("pbkdf2-sha512", rf"\$pbkdf2-sha512\${_ROUNDS}{_END}", _rounds, comparisons.passlib("pbkdf2_sha512")),
    _of(
        "scrypt",
        r"\$scrypt\$ln=(?P<ln>\d+),r=(?P<r>\d+),p=(?P<p>\d+)\$[!-#%-~]*\$[!-#%-~]+",
        _scrypt_log_cost,
        comparisons.passlib("scrypt"),
    ),
    _of("phpass", r"\$[PH]\$(?P<cost>[./0-9A-Za-z])[./0-9A-Za-z]{30}", _phpass_cost, comparisons.passlib("phpass")),
    _of("wordpress bcrypt", rf"\$wp{_BCRYPT}", _bcrypt_cost, comparisons.wordpress),
    _of(
        "django pbkdf2-sha256", rf"pbkdf2_sha256\${_ROUNDS}{_END}", _rounds, comparisons.passlib("django_pbkdf2_sha256")
    ),
    _of("django pbkdf2-sha1", rf"pbkdf2_sha1\${_ROUNDS}{_END}", _rounds, comparisons.passlib("django_pbkdf2_sha1")),
    _of("django argon2", rf"argon2{_ARGON2}", _argon2_cost, comparisons.django_argon2),
    _of("django bcrypt", rf"bcrypt\${_BCRYPT}", _bcrypt_cost, comparisons.django_bcrypt),
    _of("django bcrypt-sha256", rf"bcrypt_sha256\${_BCRYPT}", _bcrypt_cost, comparisons.django_bcrypt_sha256),
    _of(
        "django scrypt",
        r"scrypt\$(?P<n>\d+)\$[!-#%-~]*\$(?P<r>\d+)\$(?P<p>\d+)\$[A-Za-z0-9+/]{20,}=*",
        _scrypt_cost,
        comparisons.django_scrypt,
    ),
    _of("werkzeug scrypt", rf"scrypt{_SCRYPT_ENDS}\$[!-#%-~]+\$[0-9a-f]+", _scrypt_cost, comparisons.werkzeug),
    _of(
        "werkzeug pbkdf2",
        rf"pbkdf2:(?:sha1|sha256|sha512):{_ROUNDS}\$[!-#%-~]+\$[0-9a-f]+",
        _rounds,
        comparisons.werkzeug,
    ),
)
