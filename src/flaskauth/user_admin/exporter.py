"""Export all users page by page, in the import format."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from flaskauth.accounts.models import User
from flaskauth.core.db.session import db, release_connection
from flaskauth.countries.models import Country

PAGE_SIZE = 1000
TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def export_users(*, with_hashes: bool = False) -> Iterator[dict[str, object]]:
    """Yield all users by id, optionally with their password hashes. No connection is held between pages."""
    last_id = 0
    while page := db.session.execute(_page_query(last_id)).all():
        release_connection()
        yield from (_to_dict(row, with_hashes=with_hashes) for row in page)
        last_id = page[-1].id


def _page_query(last_id: int) -> Select[*tuple[Any, ...]]:
    columns = select(
        *(User.id, User.email, User.first_name, User.last_name, User.is_verified, User.password_hash, User.locale),
        *(User.created_at, User.disabled_at, User.deletion_due_at, Country.code.label("country")),
    )
    return (
        columns.outerjoin(Country, User.country_id == Country.id)
        .where(User.id > last_id)
        .order_by(User.id)
        .limit(PAGE_SIZE)
    )


def _to_dict(row: Row[Any], *, with_hashes: bool) -> dict[str, object]:
    """Return the fields of a user, without timestamps that are not set."""
    fields = {
        "id": row.id,
        "email": row.email,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "verified": row.is_verified,
        "country": row.country,
        "locale": row.locale,
        "created_at": _format_timestamp(row.created_at),
    }
    timestamps = {
        name: _format_timestamp(value) for name in ("disabled_at", "deletion_due_at") if (value := getattr(row, name))
    }
    return {**fields, **timestamps, **({"password": row.password_hash} if with_hashes else {})}


def _format_timestamp(timestamp: datetime) -> str:
    """Format with microseconds, unlike API responses, so that an import restores the exact time."""
    return timestamp.strftime(TIMESTAMP_FORMAT)
