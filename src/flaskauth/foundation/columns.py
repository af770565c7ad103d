"""The base of all tables, and column types that mean the same on SQLite, MySQL and MariaDB."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.event import listens_for
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class Base(DeclarativeBase):
    """The base of all tables, and of yours beside them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


@listens_for(Table, "after_parent_attach")
def _name_engine(table: Table, parent: object) -> None:
    """On MySQL and MariaDB each names its engine and a collation that both have, unless it says otherwise."""
    if parent is Base.metadata:
        for name, value in MYSQL.items():
            table.dialect_kwargs.setdefault(name, value)


class Moment(TypeDecorator[datetime]):
    """A time in UTC, to the microsecond."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if _is_mysql(dialect) else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Bytes(TypeDecorator[bytes]):
    """Up to `length` bytes, compared as they are: no collation, no padding."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(mysql.VARBINARY(self.length) if _is_mysql(dialect) else LargeBinary(self.length))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return bytes(value) if value is not None else None


class Identity(TypeDecorator[str]):
    """Text that names somebody: stored as its UTF-8 bytes, so nothing but the same letters is equal to it."""

    impl = Bytes
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return value.encode() if value is not None else None

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return bytes(value).decode() if value is not None else None


class Json(TypeDecorator[dict[str, Any]]):
    """A small JSON object that is stored and read whole, never queried."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value is not None else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any] | None:
        return json.loads(value) if value is not None else None


def _is_mysql(dialect: Dialect) -> bool:
    return dialect.name in {"mysql", "mariadb"}
