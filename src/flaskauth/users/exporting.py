"""List everybody out, a page at a time, in the form in which an import takes them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select

from flaskauth.accounts.models import User
from flaskauth.foundation.db import db, release
from flaskauth.places.models import Country

AT_A_TIME = 1000
MOMENT = "%Y-%m-%dT%H:%M:%S.%fZ"


def everybody(*, with_hashes: bool = False) -> Iterator[dict[str, Any]]:
    """Each person, by id; hashes of passwords only where they are asked for."""
    last = 0
    while page := db.session.execute(_page(last)).all():
        release()
        yield from (_told(person, with_hashes=with_hashes) for person in page)
        last = page[-1].id


def _page(last: int) -> Select[*tuple[Any, ...]]:
    columns = select(
        *(User.id, User.email, User.first_name, User.last_name, User.is_verified, User.password, User.locale),
        *(User.created_at, User.disabled_at, User.closes_at, Country.code.label("country")),
    )
    return (
        columns.outerjoin(Country, User.country_id == Country.id)
        .where(User.id > last)
        .order_by(User.id)
        .limit(AT_A_TIME)
    )


def _told(person: Row[Any], *, with_hashes: bool) -> dict[str, Any]:
    """What is known is said; a time that was not is left out."""
    told = {
        "id": person.id,
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "verified": person.is_verified,
        "country": person.country,
        "locale": person.locale,
        "created_at": _stamp(person.created_at),
    }
    ends = {name: _stamp(value) for name in ("disabled_at", "closes_at") if (value := getattr(person, name))}
    return {**told, **ends, **({"password": person.password} if with_hashes else {})}


def _stamp(moment: datetime) -> str:
    """To the microsecond, unlike in answers: who is imported again was made at the same moment."""
    return moment.strftime(MOMENT)
