"""Import users, one transaction per batch. Existing users are not changed.

Therefore an interrupted import can be started again, with the same result as an uninterrupted one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert, select

from flaskauth import audit
from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.db.session import db, transaction
from flaskauth.core.ids import new_id
from flaskauth.countries import service as countries
from flaskauth.one_time_codes import links
from flaskauth.user_admin.import_reader import Row
from flaskauth.user_admin.import_row import FIELDS, ImportedUser, RowRejected, parse_row

BATCH_SIZE = 1000
NO_HASH = "none"


@dataclass
class ImportStats:
    """Counts of imported, existing and rejected rows."""

    created: int = 0
    existing: int = 0
    verified: int = 0
    disabled: int = 0
    hash_schemes: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def add(self, users: Iterable[ImportedUser]) -> None:
        for user in users:
            self.created += 1
            self.verified += bool(user.columns["is_verified"])
            self.disabled += user.columns["disabled_at"] is not None
            self.hash_schemes[user.hash_scheme or NO_HASH] += 1


@dataclass(frozen=True)
class ExistingUsers:
    """Email addresses and ids that are in use, and addresses that a previous owner can still restore."""

    emails: frozenset[str]
    ids: frozenset[int]
    reserved_emails: frozenset[str]


@dataclass
class Import:
    """The import of one file. A dry run validates every row and writes nothing."""

    dry_run: bool = False
    stats: ImportStats = field(default_factory=ImportStats)
    _country_ids: Mapping[str, int] = field(default_factory=dict)
    # Hashes of the earlier rows of this file, about 200 bytes per user.
    _row_hashes: dict[int, int] = field(default_factory=dict)
    _email_hash_by_id: dict[int, int] = field(default_factory=dict)

    def import_batch(self, rows: Sequence[Row]) -> list[tuple[Row, str]]:
        """Import these rows in one transaction. Return the rejected rows with the reasons."""
        self._country_ids = self._country_ids or transaction(_load_country_ids)
        valid, rejected = self._validate(rows)
        created, conflicts = transaction(lambda: self._insert_new([user for _row, user in valid]))
        rejected += [
            (row, conflicts[user.normalized_email]) for row, user in valid if user.normalized_email in conflicts
        ]
        self.stats.add(created)
        self.stats.existing += len(rows) - len(created) - len(rejected)
        self.stats.rejected.update(reason for _row, reason in rejected)
        return sorted(rejected, key=lambda rejection: rejection[0].line)

    def _validate(self, rows: Sequence[Row]) -> tuple[list[tuple[Row, ImportedUser]], list[tuple[Row, str]]]:
        """Return the valid rows without duplicates, and the rejected rows with the reasons."""
        valid: list[tuple[Row, ImportedUser]] = []
        rejected: list[tuple[Row, str]] = []
        for row in rows:
            try:
                user = parse_row(row, self._country_ids, clock.now())
                if self._record_occurrence(user, row):
                    valid.append((row, user))
            except RowRejected as reason:
                rejected.append((row, str(reason)))
        return valid, rejected

    def _record_occurrence(self, user: ImportedUser, row: Row) -> bool:
        """Remember the row for comparison with later rows. Return True if no earlier row has the same email address.

        Raises:
            RowRejected: an earlier row has the same id or email address, but other data.
        """
        email_hash, row_hash = hash(user.normalized_email), hash(tuple(repr(row.fields.get(name)) for name in FIELDS))
        if user.id and self._email_hash_by_id.get(user.id, email_hash) != email_hash:
            raise RowRejected("id: used in an earlier row with a different email")
        if self._row_hashes.get(email_hash, row_hash) != row_hash:
            raise RowRejected("email: used in an earlier row with different data")
        is_first = email_hash not in self._row_hashes
        self._row_hashes[email_hash] = row_hash
        if user.id:
            self._email_hash_by_id[user.id] = email_hash
        return is_first

    def _insert_new(self, users: Sequence[ImportedUser]) -> tuple[list[ImportedUser], dict[str, str]]:
        """Insert the new users. Return them, and by email address the reasons why others cannot be inserted.

        The transaction is retried if one of the email addresses is registered concurrently.
        """
        existing = _load_existing(users)
        candidates = [user for user in users if user.normalized_email not in existing.emails]
        conflicts = {user.normalized_email: reason for user in candidates if (reason := _find_conflict(user, existing))}
        new_users = [user for user in candidates if user.normalized_email not in conflicts]
        if new_users and not self.dry_run:
            db.session.execute(insert(User), _assign_ids(new_users))
            audit.record("users_imported", count=len(new_users))
        return new_users, conflicts


def _load_existing(users: Sequence[ImportedUser]) -> ExistingUsers:
    """Read the ids before the email addresses, so that a concurrently imported user is found by the address."""
    emails = [user.normalized_email for user in users]
    ids = select(User.id).where(User.id.in_([user.id for user in users if user.id]))
    existing_ids = frozenset(db.session.scalars(ids))
    reserved_emails = links.reserved_emails(links.REVERT_EMAIL_CHANGE, emails)
    existing_emails = frozenset(
        db.session.scalars(select(User.normalized_email).where(User.normalized_email.in_(emails)))
    )
    return ExistingUsers(emails=existing_emails, ids=existing_ids, reserved_emails=reserved_emails)


def _find_conflict(user: ImportedUser, existing: ExistingUsers) -> str | None:
    if user.id in existing.ids:
        return "id: used by an existing user with a different email"
    return "email: reserved for its previous owner" if user.normalized_email in existing.reserved_emails else None


def _assign_ids(users: Sequence[ImportedUser]) -> list[dict[str, object]]:
    used_ids = {user.id for user in users}
    return [{"id": user.id or _unused_id(used_ids), **user.columns} for user in users]


def _unused_id(used_ids: set[int | None]) -> int:
    """Return a new id and add it to the used ones. `new_id` has 4096 values per millisecond, so batches can collide."""
    while (user_id := new_id()) in used_ids:
        continue
    used_ids.add(user_id)
    return user_id


def _load_country_ids() -> dict[str, int]:
    return {country.code: country.id for country in countries.list_countries()}
