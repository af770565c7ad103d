"""The doors that a code can be brought to: by its id, by its address, alone. Each has tries of its own.

A try is counted, and committed, before anything is compared; it is given back when it was right. Spending one door
closes that door only, so nobody can shut out who holds the id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update

from flaskauth.codes import derive
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock
from flaskauth.foundation.db import at_once, changed, db
from flaskauth.foundation.errors import Problem, TooManyRequests, Unauthorized
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import Allowance, Spending

TRIES_BY_ID = 5
BY_ADDRESS = Allowance(10, timedelta(hours=1))
BY_ADDRESS_AND_NETWORK = Allowance(5, timedelta(hours=1))
ALONE_BY_NETWORK = Allowance(10, timedelta(hours=1))
ALONE_IN_ALL = Allowance(1000, timedelta(hours=1))


class WrongCode(Unauthorized):
    """401 {"code": "wrong_code"}: wrong, used, expired or never mailed; nobody learns which."""

    code = "wrong_code"
    message = "Failed to verify account, Invalid OTP Code"


class VerificationContested(Problem):
    """409 {"code": "verification_contested"}: the code is right, but several attempts wait: say which."""

    status = 409
    message = "More than one registration waits for this address. Send the verification_id of yours with the code."


@dataclass(frozen=True)
class Brought:
    """A code as somebody brought it."""

    purpose: str
    typed: str
    network: str

    @property
    def code(self) -> str:
        return derive.canonical(self.typed)


@dataclass(frozen=True)
class Opened:
    """A row as it was when the code opened it, and the tries to give back for it."""

    code_id: bytes
    nonce: bytes
    address: str
    spent: tuple[Spending, ...] | None  # None at the door of the id, whose tries the row counts

    def redeem(self) -> None:
        """Use the code up, in the caller's transaction.

        Raises:
            WrongCode: somebody else was first, or it ended meanwhile.
        """
        now = clock.now()
        good = update(OneTimeCode).where(
            OneTimeCode.id == self.code_id,
            OneTimeCode.nonce == self.nonce,
            OneTimeCode.used_at.is_(None),
            OneTimeCode.is_decoy.is_(False),
            OneTimeCode.expires_at > now,
        )
        if not changed(good.values(used_at=now, ends_at=now)):
            raise WrongCode

    def give_back(self) -> None:
        """The code was right: its try does not count."""
        for spending in self.spent or ():
            throttles.give_back(spending)
        if self.spent is None:
            counted = update(OneTimeCode).where(OneTimeCode.id == self.code_id, OneTimeCode.tries > 0)
            changed(counted.values(tries=OneTimeCode.tries - 1))


def by_id(brought: Brought, code_id: bytes) -> Opened:
    """The row of this id, when the code is its own.

    Raises:
        WrongCode, TooManyRequests
    """
    counted = at_once(_count_by_id, brought.purpose, code_id)
    row = db.session.get(OneTimeCode, code_id)
    if row and row.purpose == brought.purpose and not row.is_over and not counted:
        raise TooManyRequests(retry_after=(row.ends_at - clock.now()).total_seconds())
    if not row or not counted or not _opens(row, brought.code):
        raise WrongCode
    return _opened(row, None)


def by_address(brought: Brought, address: str) -> Opened:
    """The live row of this address whose code it is.

    Raises:
        WrongCode, TooManyRequests
    """
    spent = at_once(_count_by_address, brought.purpose, address, brought.network)
    _refuse(spent)
    live = _live(brought.purpose, address)
    return _only([row for row in live if _opens(row, brought.code)], spent)


def alone(brought: Brought) -> Opened:
    """The one live row that has this code.

    Raises:
        WrongCode, TooManyRequests
    """
    spent, only_from_here = at_once(_count_alone, brought.purpose, brought.network)
    _refuse(spent)
    known = select(OneTimeCode).where(OneTimeCode.lookup.in_(derive.lookups(brought.purpose, brought.code)))
    rows = [row for row in db.session.scalars(known) if _opens(row, brought.code)]
    return _only([row for row in rows if row.network == brought.network or not only_from_here], spent)


def demand_uncontested(purpose: str, opened: Opened) -> None:
    """Where each row of an address stands for something of its own, a code without its id needs the only live one.

    Raises:
        VerificationContested
    """
    if len(_live(purpose, opened.address)) > 1:
        opened.give_back()
        raise VerificationContested


def _only(opened: Sequence[OneTimeCode], spent: tuple[Spending, ...]) -> Opened:
    """Two live rows with one code are both refused: nobody can tell whose it is."""
    if len(opened) != 1:
        raise WrongCode
    return _opened(opened[0], spent)


def _opened(row: OneTimeCode, spent: tuple[Spending, ...] | None) -> Opened:
    return Opened(row.id, row.nonce, row.address, spent)


def _live(purpose: str, address: str) -> list[OneTimeCode]:
    rows = select(OneTimeCode).where(OneTimeCode.purpose == purpose, OneTimeCode.address == address)
    return [row for row in db.session.scalars(rows.where(OneTimeCode.expires_at > clock.now())) if row.is_live]


def _opens(row: OneTimeCode, code: str) -> bool:
    return derive.matches(row, code) and row.is_live


def _refuse(spent: tuple[Spending, ...]) -> None:
    for spending in spent:
        if not spending.granted:
            raise TooManyRequests(retry_after=spending.retry_after)


def _count_by_id(purpose: str, code_id: bytes) -> bool:
    door = update(OneTimeCode).where(OneTimeCode.id == code_id, OneTimeCode.purpose == purpose)
    left = door.where(OneTimeCode.tries < TRIES_BY_ID, OneTimeCode.used_at.is_(None))
    return changed(left.values(tries=OneTimeCode.tries + 1)) == 1


def _count_by_address(purpose: str, address: str, network: str) -> tuple[Spending, ...]:
    pair = throttles.spend(throttles.key_of("code", purpose, address, network), BY_ADDRESS_AND_NETWORK)
    if not pair.granted:
        return (pair,)
    return pair, throttles.spend(throttles.key_of("code", purpose, address), BY_ADDRESS)


def _count_alone(purpose: str, network: str) -> tuple[tuple[Spending, ...], bool]:
    spending = throttles.spend(throttles.key_of("code alone", purpose, network), ALONE_BY_NETWORK)
    if not spending.granted:
        return (spending,), True
    shared = throttles.spend_striped(f"codes alone {purpose}", ALONE_IN_ALL)
    return ((spending, shared), False) if shared else ((spending,), True)
