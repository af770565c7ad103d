"""The statements that count; the row count of a conditional UPDATE decides."""

from functools import cache

from sqlalchemy import (
    ColumnElement,
    Integer,
    bindparam,
    case,
    delete,
    exists,
    insert,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, sqlite

from flaskauth.foundation.columns import Bytes, Moment
from flaskauth.foundation.prepared import Prepared
from flaskauth.throttles.models import Budget

WAITS = [f"wait_{step}" for step in range(8)]  # 30 s, 1, 2, 4, 8, 16, 32 minutes, 1 h

_HERE = Budget.key == bindparam("key")
_OPEN = update(Budget).where(_HERE, Budget.resets_at > bindparam("now"))
_past: ColumnElement[int] = Budget.spent + 1 - bindparam("most", type_=Integer())
_NO_WAIT_OF_MINE = case((Budget.waits_until == bindparam("began"), null()), else_=Budget.waits_until)
_FREE = or_(Budget.waits_until.is_(None), Budget.waits_until <= bindparam("now"))
_FIRST, *_LATER = (bindparam(wait, type_=Moment()) for wait in WAITS)
_WAIT = case(
    (_past < 0, null()),
    (_past == 0, _FIRST),
    *((_past == step, wait) for step, wait in enumerate(_LATER[:-1], start=1)),
    else_=_LATER[-1],
)

_ANEW = ("spent", "waits_until", "resets_at")
_mine, _sqlites = mysql.insert(Budget), sqlite.insert(Budget)
_is_over = Budget.resets_at <= bindparam("now")

ONE_MORE = Prepared(_OPEN.where(_FREE, Budget.spent < bindparam("most")).values(spent=Budget.spent + 1))
ONE_MORE_OR_WAIT = Prepared(
    _OPEN.where(_FREE).ordered_values(
        # MySQL assigns from left to right: what reads `spent` stands before it.
        (Budget.waits_until, _WAIT),
        (Budget.resets_at, case((_past < 0, Budget.resets_at), else_=bindparam("last", type_=Moment()))),
        (Budget.spent, Budget.spent + 1),
    )
)
ONE_LESS = Prepared(_OPEN.where(Budget.spent > 0).values(waits_until=_NO_WAIT_OF_MINE, spent=Budget.spent - 1))
# Opens a window where there is none, or one that is over. MySQL assigns from left to right: the end is last.
OPEN = Prepared(
    _mine.on_duplicate_key_update(
        [(name, case((_is_over, _mine.inserted[name]), else_=getattr(Budget, name))) for name in _ANEW]
    ),
    _sqlites.on_conflict_do_update(
        index_elements=["key"], set_={name: _sqlites.excluded[name] for name in _ANEW}, where=_is_over
    ),
)
# Nothing stays of a budget of which this was all, and no wait but this one's own.
ONLY_ONE = Prepared(
    delete(Budget).where(
        *(_HERE, Budget.spent <= 1),
        or_(Budget.waits_until.is_(None), Budget.waits_until == bindparam("began")),
    )
)
FOUND = Prepared(select(Budget.spent, Budget.resets_at, Budget.waits_until).where(_HERE))
CLEAR = Prepared(delete(Budget).where(_HERE))


@cache
def first_of(budgets: int) -> Prepared:
    """The first of so many budgets in one statement, where none of them is open; who races for one is run again."""
    keys = [bindparam(f"key_{number}", type_=Bytes(32)) for number in range(budgets)]
    ends = [bindparam(f"resets_at_{number}", type_=Moment()) for number in range(budgets)]
    one: ColumnElement[int] = literal_column("1")
    rows = [
        select(key.label("key"), one.label("spent"), end.label("resets_at"))
        for key, end in zip(keys, ends, strict=True)
    ]
    fresh = union_all(*rows).subquery("fresh")
    none_is_open = ~exists().where(Budget.key.in_(keys))
    return Prepared(insert(Budget).from_select(["key", "spent", "resets_at"], select(fresh).where(none_is_open)))
