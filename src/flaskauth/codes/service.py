"""Issue a code, mail it again, end it, and say what it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, select, update

from flaskauth.codes import derive
from flaskauth.codes.models import OneTimeCode
from flaskauth.foundation import clock, crypto
from flaskauth.foundation.db import changed, db, delete_some
from flaskauth.foundation.ids import new_secret_id
from flaskauth.foundation.prepared import Prepared, add

LIFE = timedelta(minutes=10)  # NIST SP 800-63B-4 section 3.1.3.2
SAME_WHILE_LEFT = timedelta(minutes=3)
FIRST_RESEND = timedelta(seconds=60)
KEPT = timedelta(days=7)

REVEALED = Prepared(select(*OneTimeCode.__table__.columns).where(OneTimeCode.id == bindparam("code_id")))


@dataclass(frozen=True)
class Asked:
    """For what, for which address, from which network a code is asked, and until when its door stands."""

    purpose: str
    address: str
    network: str
    ends_at: datetime


def issue(asked: Asked, *, is_decoy: bool = False, is_withheld: bool = False) -> OneTimeCode:
    """A new code with a door of its own. A decoy takes tries and never opens; a withheld one was never mailed."""
    now = clock.now()
    row = OneTimeCode(
        id=new_secret_id(),
        purpose=asked.purpose,
        address=asked.address,
        network=asked.network,
        nonce=crypto.random_bytes(32),
        expires_at=now + LIFE,
        ends_at=asked.ends_at,
        tries=0,
        is_decoy=is_decoy,
        is_withheld=is_withheld,
        mails=1,
        next_mail_at=now + FIRST_RESEND,
        created_at=now,
    )
    row.lookup = derive.lookups(row.purpose, derive.candidates(row)[0])[0]
    add(row)
    return row


def find(purpose: str, code_id: bytes) -> OneTimeCode | None:
    """The row behind a door."""
    row = db.session.get(OneTimeCode, code_id)
    return row if row and row.purpose == purpose else None


def newest(purpose: str, address: str, network: str) -> OneTimeCode | None:
    """The newest door of this address that is not over: of those opened from this network, else of all."""
    rows = _of(purpose, address).where(OneTimeCode.used_at.is_(None), OneTimeCode.ends_at > clock.now())
    found = db.session.scalars(rows.order_by(OneTimeCode.created_at.desc())).all()
    return next((row for row in found if row.network == network), found[0] if found else None)


def take_mail_turn(row: OneTimeCode | None) -> bool:
    """Whether another mail is due: first after 60 s, then after twice as long each time. Taking the turn spends it."""
    seen, now = (row.mails, clock.now()) if row else (0, clock.now())
    due = update(OneTimeCode).where(
        OneTimeCode.id == (row.id if row else b""),
        OneTimeCode.mails == seen,
        OneTimeCode.next_mail_at <= now,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.ends_at > now,
    )
    return changed(due.values(mails=seen + 1, next_mail_at=now + FIRST_RESEND * 2 ** min(seen, 11))) == 1


def give_turn_back(row: OneTimeCode | None) -> None:
    """Have the turn that was just taken be free again, as it was when the row was read; nobody's costs the same."""
    seen, due = (row.mails, row.next_mail_at) if row else (0, clock.now())
    taken = update(OneTimeCode).where(OneTimeCode.id == (row.id if row else b""), OneTimeCode.mails == seen + 1)
    changed(taken.values(mails=seen, next_mail_at=due))


def seconds_to_next_mail(row: OneTimeCode) -> float:
    """How long until another mail is due; who lost the turn to another request reads what that one left."""
    due = db.session.scalars(select(OneTimeCode.next_mail_at).where(OneTimeCode.id == row.id)).one()
    return (due - clock.now()).total_seconds()


def read_again(row: OneTimeCode | None) -> None:
    """Have the row say what stands there now; nobody's costs the same."""
    same = select(OneTimeCode).where(OneTimeCode.id == (row.id if row else b""))
    db.session.scalars(same.execution_options(populate_existing=True)).one_or_none()


def renew(row: OneTimeCode | None) -> None:
    """Make the code worth mailing: the same while 3 minutes of it are left, else a new one; only the newest is good.

    Where there is nothing to renew, an UPDATE that finds nothing costs the same.
    """
    now = clock.now()
    if row is None or not (row.is_withheld or row.expires_at - now < SAME_WHILE_LEFT):
        changed(update(OneTimeCode).where(OneTimeCode.id == b"").values(is_withheld=False))
        return
    row.nonce = crypto.random_bytes(32)
    row.lookup = derive.lookups(row.purpose, derive.candidates(row)[0])[0]
    row.expires_at = min(now + LIFE, row.ends_at)
    row.is_withheld = False


def minutes_left(row: OneTimeCode) -> str:
    """For how many minutes the code is still good, as its mail says it."""
    return str(round((row.expires_at - clock.now()) / timedelta(minutes=1)))


def end_all(purpose: str, address: str) -> None:
    """End every code of this purpose and address. Their doors stand on as decoys, so who opened one learns nothing."""
    unused = update(OneTimeCode).where(OneTimeCode.purpose == purpose, OneTimeCode.address == address)
    changed(unused.where(OneTimeCode.used_at.is_(None)).values(is_decoy=True))


def end_everything(address: str) -> None:
    """End every code of this address, whatever for."""
    unused = update(OneTimeCode).where(OneTimeCode.address == address, OneTimeCode.used_at.is_(None))
    changed(unused.values(is_decoy=True))


def end_these(ids: Select[bytes]) -> None:
    """End the codes of these ids; they too stand on as decoys."""
    unused = update(OneTimeCode).where(OneTimeCode.id.in_(ids), OneTimeCode.used_at.is_(None))
    changed(unused.values(is_decoy=True))


def of_address(address: str) -> ColumnElement[bool]:
    """Every code of an address; with the purposes that there are beside it, an index leads there."""
    purposes = db.session.scalars(select(OneTimeCode.purpose).distinct()).all()
    return and_(OneTimeCode.purpose.in_(purposes), OneTimeCode.address == address)


def forget(address: str, ids: Sequence[bytes]) -> None:
    """Delete every code of an address, whatever it is for, and those of these ids; their doors are gone."""
    changed(delete(OneTimeCode).where(of_address(address)))
    changed(delete(OneTimeCode).where(OneTimeCode.id.in_(ids)))


def reveal(code_id: bytes) -> str | None:
    """The code as it is mailed, or None once it is used, ended or expired."""
    found = REVEALED.first(code_id=code_id)
    row = OneTimeCode(**found._asdict()) if found else None
    return derive.mailed(row) if row and row.is_live else None


def shown(code_id: bytes) -> str:
    """The code that a mail carried, good or not; "" once the row is gone."""
    row = db.session.get(OneTimeCode, code_id)
    return derive.mailed(row) if row else ""


def purge() -> int:
    """Delete codes a week after their end, some at a time; how many went."""
    return delete_some(OneTimeCode.id, OneTimeCode.ends_at < clock.now() - KEPT)


def _of(purpose: str, address: str) -> Select[OneTimeCode]:
    return select(OneTimeCode).where(OneTimeCode.purpose == purpose, OneTimeCode.address == address)
