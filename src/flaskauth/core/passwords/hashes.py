"""Compute and compare password hashes. Imports neither Flask nor the database: the hash process has only this."""

import unicodedata
from functools import partial

from argon2.low_level import Type, hash_secret_raw
from pwdlib.hashers.argon2 import Argon2Hasher

from flaskauth.core.passwords import legacy

# OWASP Password Storage Cheat Sheet: Argon2id with 19 MiB, two passes, one lane. ASVS 11.4.2.
ARGON2 = Argon2Hasher(memory_cost=19456, time_cost=2, parallelism=1, hash_len=32, salt_len=16)
# Compared for an unknown account, so that the work is the same as for a known one.
DECOY_HASH = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5bm9ib2R5bm9ibw$ytaH46meWY8lmL7GvISeF34nSYdizucq0l76z3Y8lWA"


def hash_password(password: str, salt: str | None) -> str:
    """Return the hash of a password, with a salt in hexadecimal digits or a random one."""
    return ARGON2.hash(normalize(password), salt=bytes.fromhex(salt) if salt else None)


def verify(password: str, stored: str) -> bool:
    """Compare with an Argon2 hash normalized and then as typed, because it may come from an import; others as typed.

    Accepted limitation: a legacy hash takes a different time than Argon2 until the first sign-in replaces it.
    """
    try:
        if not ARGON2.identify(stored):
            return legacy.verify(password, stored)
        return any(legacy.verify(candidate, stored) for candidate in dict.fromkeys((normalize(password), password)))
    except ValueError:
        ARGON2.verify(normalize(password), DECOY_HASH)
        return False


def hash_recovery_codes(codes: str, salt: str) -> str:
    """Return the hashes of recovery codes, all in hexadecimal digits and separated by spaces.

    The parameters can never change: a code has no other form than its hash. They may be low, because a code has 76
    random bits.
    """
    hash_one = partial(hash_secret_raw, time_cost=1, memory_cost=8192, parallelism=1, hash_len=32, type=Type.ID)
    return " ".join(hash_one(code.encode(), bytes.fromhex(salt)).hex() for code in codes.split())


def needs_rehash(stored: str) -> bool:
    """Return True if a hash does not have the current scheme and parameters."""
    return not ARGON2.identify(stored) or ARGON2.check_needs_rehash(stored)


def normalize(password: str) -> str:
    """Normalize with NFKC: keyboards encode the same characters differently (NIST SP 800-63B-4 section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
