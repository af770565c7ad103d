"""Find people, make one, change one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, delete, or_, select, update

from flaskauth.accounts.models import AddressChange, User
from flaskauth.codes import links
from flaskauth.codes import service as codes
from flaskauth.foundation import clock
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.errors import InvalidInput
from flaskauth.foundation.ids import new_id
from flaskauth.foundation.prepared import Prepared
from flaskauth.places import service as places
from flaskauth.places.models import Country


@dataclass(frozen=True)
class Credentials:
    """What a sign-in compares; `user_id` 0 and no password stand for nobody."""

    user_id: int = 0
    password: str | None = None
    has_signed_in: bool = False
    person: Any = None  # the row of what answers show


NOBODY = Credentials()
CHANGES_KEPT = timedelta(days=7)
MAY_SIGN_IN = (User.is_verified, User.disabled_at.is_(None))
# What answers show of a person.
SHOWN = (
    *(User.id, User.email, User.first_name, User.last_name, User.avatar, User.country_id, User.is_verified),
    *(User.created_at, User.updated_at, Country.name.label("country_name"), Country.code.label("country_code")),
)
HOME = Country.id == User.country_id

CREDENTIALS = Prepared(
    select(*SHOWN, User.password, User.signed_in_at, User.locale)
    .outerjoin(Country, HOME)
    .where(User.address == bindparam("address"), *MAY_SIGN_IN)
)
LET_IN = Prepared(
    update(User)
    .where(User.id == bindparam("user_id"), User.password == bindparam("compared"), *MAY_SIGN_IN)
    .values(signed_in_at=bindparam("now"))
)
OWNER = Prepared(
    select(User.id, User.email, User.locale).where(User.address == bindparam("address"), User.disabled_at.is_(None))
)
HOLDERS = Prepared(
    select(User.id, User.email, User.address, User.locale).where(
        or_(User.address == bindparam("address"), User.id == bindparam("keeper"))
    )
)


def credentials(address: str) -> Credentials:
    """The credentials behind an address; NOBODY's where there is no account that may sign in."""
    row = CREDENTIALS.first(address=address)
    return Credentials(row.id, row.password, row.signed_in_at is not None, row) if row else NOBODY


def let_in(stored: Credentials) -> bool:
    """Whether the person, who signs in now, still is there and has the password that was compared."""
    return LET_IN.changed(user_id=stored.user_id, compared=stored.password, now=clock.now()) == 1


def shown(row: Any) -> dict[str, Any]:
    """A row with what is `SHOWN` of a person, as UserSchema takes it."""
    found: dict[str, Any] = row._asdict()
    home = {"id": found["country_id"], "name": found["country_name"], "code": found["country_code"]}
    return {**found, "country": home if found["country_id"] is not None else None}


def owner(address: str) -> Any | None:
    """Whose address it is, unless they are kept out: id, email and locale.

    No object is made of the row: that would take longer for known addresses.
    """
    return OWNER.first(address=address)


def find(address: str) -> User | None:
    """The person of an address."""
    return db.session.scalar(select(User).where(User.address == address))


def holder(address: str) -> Any | None:
    """Whose the address is: a person's, or one's who may have it back; nobody else gets it meanwhile.

    Of the person: id, email, address and locale.
    """
    keeper = links.keeper(links.UNDO, address)
    # One statement for everybody: to look a keeper up by one more would tell by its time who is kept.
    found = HOLDERS.all(address=address, keeper=keeper or 0)
    return next((user for user in found if user.address == address), found[0] if found else None)


def create(**about: Any) -> User:
    """A new person whose address is proven. A taken address fails at the flush; the transaction is then run again."""
    user = User(id=new_id(), is_verified=True, created_at=clock.now(), **about)
    db.session.add(user)
    db.session.flush()
    return user


def change_password(stored: Credentials, hashed: str) -> bool:
    """Whether the person still had the password that was compared, and has this one now."""
    same = update(User).where(User.id == stored.user_id, User.password == stored.password)
    return changed(same.values(password=hashed)) == 1


def reset_password(user_id: int, address: str, hashed: str) -> bool:
    """Whether the person still has the address that was proven, and has this password now."""
    same = update(User).where(User.id == user_id, User.address == address, User.disabled_at.is_(None))
    return changed(same.values(password=hashed, is_verified=True)) == 1


def move(user: User, change: AddressChange) -> bool:
    """Whether the person still had the address of before, and has the proven one now; a taken one fails at once."""
    same = update(User).where(User.id == user.id, User.address == user.address)
    return changed(same.values(email=change.email, address=change.address, updated_at=clock.now())) == 1


def restore_address(user_id: int, email: str, address: str) -> bool:
    """Whether the person has this address again; not while somebody else has it."""
    owner = find(address)
    if owner is not None and owner.id != user_id:
        return False
    values = {"email": email, "address": address, "updated_at": clock.now()}
    return changed(update(User).where(User.id == user_id).values(**values)) == 1


def demand_reset(user_id: int) -> None:
    """Have no password open the account until its owner sets one by the mail of a reset."""
    changed(update(User).where(User.id == user_id).values(password=None))


def address_change_ids(user_id: int) -> Select[bytes]:
    """The ids of the person's changes of address, which are their codes' ids."""
    return select(AddressChange.id).where(AddressChange.user_id == user_id)


def end_address_changes(user_id: int) -> None:
    """End every new address that the person has yet to prove."""
    codes.end_these(address_change_ids(user_id))


def begin_closing(user_id: int, closes_at: datetime) -> bool:
    """Whether this call set the time at which the person is erased; of many at once, one does."""
    staying = update(User).where(User.id == user_id, User.closes_at.is_(None))
    return changed(staying.values(closes_at=closes_at)) == 1


def end_closing(user_id: int) -> bool:
    """Whether this call kept the person, who was to be erased and still is there."""
    leaving = update(User).where(User.id == user_id, User.closes_at.is_not(None), User.disabled_at.is_(None))
    return changed(leaving.values(closes_at=None)) == 1


def closing_at(user_id: int) -> datetime | None:
    """When the person is to be erased, as it stands now."""
    return db.session.scalar(select(User.closes_at).where(User.id == user_id))


def over(most: int) -> Sequence[User]:
    """Some of the people who are to be erased now."""
    due = select(User).where(User.closes_at <= clock.now()).order_by(User.closes_at)
    return db.session.scalars(due.limit(most)).all()


def erase(user_id: int) -> bool:
    """Whether this call deleted the person, whose time was over; sessions, devices and changes of address go along.

    Whoever was taken back meanwhile stays.
    """
    return changed(delete(User).where(User.id == user_id, User.closes_at <= clock.now())) == 1


def purge() -> int:
    """Delete changes of address a week after they were asked for, some at a time; how many went."""
    return delete_some(AddressChange.id, AddressChange.created_at < clock.now() - CHANGES_KEPT)


def put_off(user_id: int, until: datetime) -> None:
    """Have the person erased later."""
    changed(update(User).where(User.id == user_id, User.closes_at <= clock.now()).values(closes_at=until))


def edit(user: User, **changes: Any) -> User:
    """The person with some things changed."""
    for name, value in changes.items():
        setattr(user, name, value)
    user.updated_at = clock.now()
    db.session.flush()
    return user


def change_avatar(user_id: int, seen: str | None, name: str | None) -> bool:
    """Whether the person still had the picture that was seen, and has this one now."""
    same = update(User).where(User.id == user_id, User.avatar == seen)
    return changed(same.values(avatar=name, updated_at=clock.now())) == 1


def held(user_id: int) -> User | None:
    """The person as they are now, whom nobody else changes until the transaction ends."""
    return db.session.get(User, user_id, populate_existing=True, with_for_update=True)


def avatars_in_use(names: Iterable[str]) -> set[str]:
    """Those of the pictures that somebody has."""
    return {name for name in db.session.scalars(select(User.avatar).where(User.avatar.in_(names))) if name}


def country_id(code: str | None, number: int | None = None) -> int | None:
    """The number of a country that was named by its code or its number.

    Raises:
        InvalidInput: there is no such country.
    """
    if number is not None:
        if not places.has_country(number):
            raise InvalidInput({"country_id": ["Unknown country."]})
        return number
    if code is None:
        return None
    country = places.country_by_code(code)
    if country is None:
        raise InvalidInput({"country": ["Unknown country."]})
    return country.id
