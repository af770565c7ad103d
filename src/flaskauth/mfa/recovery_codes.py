"""Recovery codes: ten single-use codes for a user who has lost the factors. They are shown once.

A set shares a salt, so that an attempt costs one hash. The hash does not depend on `SECRET_KEY`: the codes remain valid
when the key is lost. With 76 random bits, they cannot be guessed from their hashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update

from flaskauth.core import clock, crypto
from flaskauth.core.db.compiled import CompiledStatement
from flaskauth.core.db.session import db, execute_count
from flaskauth.core.ids import new_id
from flaskauth.core.passwords import hashing
from flaskauth.mfa.models import UNUSED_CODE, RecoveryCode
from flaskauth.mfa.verification import InvalidFactor, VerifiedFactor
from flaskauth.one_time_codes import derivation
from flaskauth.signing_keys import amr

SET_SIZE = 10
LENGTH = 16  # characters: 27^16, 76 bits
GROUP = 4
SALT_LENGTH = 16


class CountRow(NamedTuple):
    """The number of unused codes of a user."""

    codes_left: int


COUNT_QUERY = CompiledStatement(
    select(func.count().label("codes_left")).where(RecoveryCode.user_id == bindparam("user_id"), UNUSED_CODE), CountRow
)


@dataclass(frozen=True)
class NewCodes:
    """A set of codes that is not stored yet, with its hashes."""

    codes: Sequence[str]
    salt: bytes
    digests: Sequence[bytes]

    def formatted(self) -> list[str]:
        """Return the codes as the user sees them: BCDF-GHJK-MNPQ-RSTV."""
        return ["-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP)) for code in self.codes]


def generate() -> NewCodes:
    """Return a new set of codes. Ends the read transaction.

    Raises:
        Overloaded
    """
    alphabet = derivation.ALPHABET
    codes = ["".join(alphabet[crypto.random_number(len(alphabet))] for _ in range(LENGTH)) for _ in range(SET_SIZE)]
    salt = crypto.random_bytes(SALT_LENGTH)
    return NewCodes(codes, salt, hashing.hash_recovery_codes(codes, salt))


def replace(user_id: int, new_codes: NewCodes) -> list[str]:
    """Store a set of codes and remove the previous one. Return the codes as the user sees them."""
    remove(user_id)
    first_id, now = new_id(), clock.now()
    db.session.add_all(
        RecoveryCode(id=first_id + number, user_id=user_id, salt=new_codes.salt, digest=digest, created_at=now)
        for number, digest in enumerate(new_codes.digests)
    )
    db.session.flush()
    return new_codes.formatted()


def remove(user_id: int) -> None:
    """Remove the codes of a user. They no longer verify anything."""
    active = update(RecoveryCode).where(RecoveryCode.user_id == user_id, RecoveryCode.removed_at.is_(None))
    execute_count(active.values(removed_at=clock.now()))


def verify(user_id: int, text: str) -> VerifiedFactor | None:
    """Return the unused code of the user, or None. The caller has counted the attempt. Ends the read transaction.

    Raises:
        Overloaded
    """
    unused = select(RecoveryCode).where(RecoveryCode.user_id == user_id, UNUSED_CODE)
    salt = db.session.scalar(select(RecoveryCode.salt).where(RecoveryCode.user_id == user_id, UNUSED_CODE).limit(1))
    code = derivation.normalize_code(text, LENGTH)
    if salt is None or not code:
        return None
    [digest] = hashing.hash_recovery_codes([code], salt)
    row = db.session.scalar(unused.where(RecoveryCode.digest == digest))
    return VerifiedFactor(amr.ONE_TIME_CODE, partial(_consume, row.id), is_recovery_code=True) if row else None


def count_left(user_id: int) -> int:
    """Return the number of unused codes of a user."""
    return COUNT_QUERY.one(user_id=user_id).codes_left


def _consume(code_id: int) -> None:
    """Mark a code as used.

    Raises:
        InvalidFactor: a concurrent request used it, or its set was replaced.
    """
    if not execute_count(
        update(RecoveryCode).where(RecoveryCode.id == code_id, UNUSED_CODE).values(used_at=clock.now())
    ):
        raise InvalidFactor
