"""Bring people along from elsewhere, a batch a transaction: who is there already stays as they are.

So an import that was killed is started again, and ends where one that was not would have ended.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from flaskauth import audit
from flaskauth.accounts.models import User
from flaskauth.codes import links
from flaskauth.foundation import clock
from flaskauth.foundation.db import db, transaction
from flaskauth.foundation.ids import new_id
from flaskauth.places import service as places
from flaskauth.users.newcomers import FIELDS, Newcomer, Refused, read
from flaskauth.users.reading import Row

AT_A_TIME = 1000
WITHOUT = "none"


@dataclass
class Tally:
    """What became of the rows, in numbers."""

    new: int = 0
    already: int = 0
    verified: int = 0
    disabled: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def take(self, newcomers: Iterable[Newcomer]) -> None:
        for newcomer in newcomers:
            self.new += 1
            self.verified += newcomer.columns["is_verified"]
            self.disabled += newcomer.columns["disabled_at"] is not None
            self.kinds[newcomer.kind or WITHOUT] += 1


@dataclass(frozen=True)
class There:
    """What is taken already: addresses, ids, and addresses that somebody may have back."""

    addresses: frozenset[str]
    ids: frozenset[int]
    kept: frozenset[str]


@dataclass
class Import:
    """One file's way in. A rehearsal judges every row and writes nothing."""

    is_rehearsal: bool = False
    tally: Tally = field(default_factory=Tally)
    _countries: Mapping[str, int] = field(default_factory=dict)
    # Numbers that stand for what came before in this file: some 200 bytes for each person.
    _rows: dict[int, int] = field(default_factory=dict)
    _owners: dict[int, int] = field(default_factory=dict)

    def take(self, rows: Sequence[Row]) -> list[tuple[Row, str]]:
        """Bring these people in; the rows that are refused, and why."""
        self._countries = self._countries or transaction(_countries)
        found, refused = self._judged(rows)
        new, clashes = transaction(lambda: self._bring([newcomer for _row, newcomer in found]))
        refused += [(row, clashes[newcomer.address]) for row, newcomer in found if newcomer.address in clashes]
        self.tally.take(new)
        self.tally.already += len(rows) - len(new) - len(refused)
        self.tally.refused.update(reason for _row, reason in refused)
        return sorted(refused, key=lambda each: each[0].line)

    def _judged(self, rows: Sequence[Row]) -> tuple[list[tuple[Row, Newcomer]], list[tuple[Row, str]]]:
        """Who stands in the rows, each once, and what of the rows cannot be taken in."""
        found: list[tuple[Row, Newcomer]] = []
        refused: list[tuple[Row, str]] = []
        for row in rows:
            try:
                newcomer = read(row, self._countries, clock.now())
                if self._is_first(newcomer, row):
                    found.append((row, newcomer))
            except Refused as reason:
                refused.append((row, str(reason)))
        return found, refused

    def _is_first(self, newcomer: Newcomer, row: Row) -> bool:
        """Whether no earlier row says the very same.

        Raises:
            Refused: an earlier row says otherwise.
        """
        address, told = hash(newcomer.address), hash(tuple(repr(row.fields.get(name)) for name in FIELDS))
        if newcomer.id and self._owners.get(newcomer.id, address) != address:
            raise Refused("id: stands in an earlier row, with another address")
        if self._rows.get(address, told) != told:
            raise Refused("email: stands in an earlier row, with other data")
        is_first = address not in self._rows
        self._rows[address] = told
        self._owners.update({newcomer.id: address} if newcomer.id else {})
        return is_first

    def _bring(self, newcomers: Sequence[Newcomer]) -> tuple[list[Newcomer], dict[str, str]]:
        """Who is new, and, by address, who cannot be brought in; runs again where somebody joins meanwhile."""
        there = _there(newcomers)
        coming = [newcomer for newcomer in newcomers if newcomer.address not in there.addresses]
        clashes = {newcomer.address: why for newcomer in coming if (why := _clash(newcomer, there))}
        new = [newcomer for newcomer in coming if newcomer.address not in clashes]
        if new and not self.is_rehearsal:
            db.session.execute(insert(User), _with_ids(new))
            audit.record("people_imported", count=len(new))
        return new, clashes


def _there(newcomers: Sequence[Newcomer]) -> There:
    """Ids are read before addresses: whose id another import has just brought in is then there by the address too."""
    addresses = [newcomer.address for newcomer in newcomers]
    ids = select(User.id).where(User.id.in_([newcomer.id for newcomer in newcomers if newcomer.id]))
    taken, kept = frozenset(db.session.scalars(ids)), links.kept(links.UNDO, addresses)
    here = frozenset(db.session.scalars(select(User.address).where(User.address.in_(addresses))))
    return There(addresses=here, ids=taken, kept=kept)


def _clash(newcomer: Newcomer, there: There) -> str | None:
    if newcomer.id in there.ids:
        return "id: is the one of somebody with another address"
    return "email: is kept for who had it before" if newcomer.address in there.kept else None


def _with_ids(newcomers: Sequence[Newcomer]) -> list[dict[str, Any]]:
    taken = {newcomer.id for newcomer in newcomers}
    return [{"id": newcomer.id or _free_id(taken), **newcomer.columns} for newcomer in newcomers]


def _free_id(taken: set[int | None]) -> int:
    """A new id that nobody has; 4096 fit into a millisecond."""
    while (found := new_id()) in taken:
        continue
    taken.add(found)
    return found


def _countries() -> dict[str, int]:
    return {country.code: country.id for country in places.countries()}
