"""How many passwords may be tried, and by whom: strangers wait, the owner does not.

Counted before the hash and given back when right. Past the budget every wrong password is refused as a wait, known
address or not; a known device or network has 10 compared in a wait, so nobody can lock an owner out.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from flaskauth import audit
from flaskauth.foundation import limits
from flaskauth.throttles import service as throttles
from flaskauth.throttles.service import LONGEST_WAIT, Allowance, Spending

BY_ADDRESS_AND_NETWORK = Allowance(5, timedelta(hours=24))
BY_ADDRESS = Allowance(10, timedelta(minutes=15))
IN_A_ROW = Allowance(100, timedelta(days=3650))  # NIST SP 800-63B-4 section 3.2.2
IN_A_WAIT = Allowance(10, LONGEST_WAIT)
FLOOD = "1000/minute"  # failed sign-ins everywhere


@dataclass(frozen=True)
class Asked:
    """Which account is asked for, from where, and whether this person is known there."""

    address: str
    network: str
    device_id: int | None = None
    is_known: bool = False


@dataclass(frozen=True)
class Try:
    """What a try may cost: whether it hashes, whether what it compares counts, and how long it waits otherwise."""

    hashes: bool
    compares: bool
    retry_after: float = 0
    spent: tuple[Spending, ...] = field(default=())

    @property
    def waits(self) -> bool:
        return self.retry_after > 0


def count(asked: Asked, is_flood: bool) -> Try:
    """Count one try of a password, before it is looked at; call it by `at_once`."""
    spent: list[Spending] = []
    for spend in (_by_address_and_network, _by_address, _in_a_row):
        spending = spend(asked, is_flood)
        if not spending.granted:
            return _in_a_wait(asked, spending, spent)
        spent.append(spending)
    return Try(hashes=True, compares=True, spent=tuple(spent))


def give_back(asked: Asked, tried: Try) -> None:
    """The password was right: what it spent comes back, and the row of wrong ones ends."""
    pair, row = _key("pair", asked.address, asked.network), _key("row", asked.address)
    throttles.clear(pair)
    for spending in tried.spent:
        if spending.key not in {pair, row}:
            throttles.give_back(spending)
    throttles.clear(row)


def clear(address: str, network: str) -> None:
    """The address was proven anew: its row of wrong passwords ends, and so do its waits and those of this network."""
    for key in (_key("pair", address, network), _key("address", address), _key("row", address)):
        throttles.clear(key)


def note_failure() -> None:
    """Count a failed sign-in among all; far above the usual it raises an alarm, and refuses nobody."""
    if not limits.within(FLOOD, "failed sign-ins") and limits.within("1/minute", "sign-in alarm"):
        audit.record("sign_in_flood")


def is_flood() -> bool:
    """Whether failed sign-ins everywhere are far above the usual."""
    return limits.is_over(FLOOD, "failed sign-ins")


def _by_address_and_network(asked: Asked, is_flood: bool) -> Spending:
    return throttles.spend_or_wait(
        _key("pair", asked.address, asked.network), _halved(BY_ADDRESS_AND_NETWORK, asked, is_flood)
    )


def _by_address(asked: Asked, is_flood: bool) -> Spending:
    return throttles.spend_or_wait(_key("address", asked.address), _halved(BY_ADDRESS, asked, is_flood))


def _in_a_row(asked: Asked, _is_flood: bool) -> Spending:
    return throttles.spend(_key("row", asked.address), IN_A_ROW)


def _in_a_wait(asked: Asked, refused: Spending, spent: list[Spending]) -> Try:
    """10 tries of each network in a wait cost a hash for everybody; only what is known is compared."""
    for spending in spent:
        throttles.give_back(spending)
    left, longest = refused.retry_after, LONGEST_WAIT.total_seconds()
    until = refused.waits_until.isoformat() if left <= longest else "for good"
    who = asked.network if asked.device_id is None else asked.device_id
    tried = throttles.spend(_key("wait", asked.address, until, who), IN_A_WAIT)
    compares = tried.granted and asked.is_known
    return Try(
        hashes=tried.granted, compares=compares, retry_after=min(left, longest), spent=(tried,) if compares else ()
    )


def _halved(allowance: Allowance, asked: Asked, is_flood: bool) -> Allowance:
    if not is_flood or asked.is_known:
        return allowance
    return Allowance(allowance.most // 2, allowance.window)


def _key(kind: str, *parts: str | int) -> bytes:
    return throttles.key_of(f"password {kind}", *parts)
