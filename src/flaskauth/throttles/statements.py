"""The statements that count; the row count of a conditional UPDATE decides."""

from sqlalchemy import ColumnElement, Integer, bindparam, case, delete, null, or_, select, update
from sqlalchemy.dialects import mysql, sqlite

from flaskauth.foundation.columns import Moment
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
FOUND = Prepared(select(Budget.spent, Budget.resets_at, Budget.waits_until).where(_HERE))
CLEAR = Prepared(delete(Budget).where(_HERE))
