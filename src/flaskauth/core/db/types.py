"""The base class of all models, and column types that behave the same on SQLite, MySQL and MariaDB."""

import json
from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.event import listens_for
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

MYSQL_TABLE_OPTIONS = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class Base(DeclarativeBase):
    """The base class of all models, including those of an application that extends this one."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


@listens_for(Table, "after_parent_attach")
def _set_mysql_options(table: Table, parent: object) -> None:
    """Set the storage engine and a collation that MySQL and MariaDB both support, unless the table sets its own."""
    if parent is Base.metadata:
        for name, value in MYSQL_TABLE_OPTIONS.items():
            table.dialect_kwargs.setdefault(name, value)


class UTCDateTime(TypeDecorator[datetime]):
    """A timezone-aware time, stored in UTC with microseconds."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if _is_mysql(dialect) else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class FixedBinary(TypeDecorator[bytes]):
    """Up to `length` bytes, compared byte by byte without collation or padding."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[bytes]:
        return dialect.type_descriptor(mysql.VARBINARY(self.length) if _is_mysql(dialect) else LargeBinary(self.length))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return bytes(value) if value is not None else None


class ExactString(TypeDecorator[str]):
    """An identifying text, stored as UTF-8 bytes: no collation makes two different texts equal."""

    impl = FixedBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return value.encode() if value is not None else None

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return bytes(value).decode() if value is not None else None


class JSONText(TypeDecorator[dict[str, object]]):
    """A small JSON object that is stored and read as a whole and never queried."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, object] | None, dialect: Dialect) -> str | None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value is not None else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, object] | None:
        return json.loads(value) if value is not None else None


def _is_mysql(dialect: Dialect) -> bool:
    return dialect.name in {"mysql", "mariadb"}
