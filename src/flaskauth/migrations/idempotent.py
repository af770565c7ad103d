"""Detect whether a schema change has been applied already."""

from functools import singledispatch

from alembic.ddl.base import AddColumn, ColumnName, DropColumn, RenameTable
from sqlalchemy import Constraint, Index, Inspector
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DropConstraint, DropIndex, DropTable


@singledispatch
def is_applied(_change: object, _inspector: Inspector) -> bool:
    """Return True if the database has this change. Changes not listed here, such as a new type, may run twice."""
    return False


@is_applied.register
def _(change: CreateTable, inspector: Inspector) -> bool:
    return inspector.has_table(change.element.name)


@is_applied.register
def _(change: DropTable, inspector: Inspector) -> bool:
    return not inspector.has_table(change.element.name)


@is_applied.register
def _(change: CreateIndex, inspector: Inspector) -> bool:
    return _has_index(change.element, inspector)


@is_applied.register
def _(change: DropIndex, inspector: Inspector) -> bool:
    return not _has_index(change.element, inspector)


@is_applied.register
def _(change: AddColumn, inspector: Inspector) -> bool:
    return _has_column(change.table_name, change.column.name, inspector)


@is_applied.register
def _(change: DropColumn, inspector: Inspector) -> bool:
    return not _has_column(change.table_name, change.column.name, inspector)


@is_applied.register
def _(change: ColumnName, inspector: Inspector) -> bool:
    return _has_column(change.table_name, change.newname, inspector)


@is_applied.register
def _(change: RenameTable, inspector: Inspector) -> bool:
    return inspector.has_table(change.new_table_name) and not inspector.has_table(change.table_name)


@is_applied.register
def _(change: AddConstraint, inspector: Inspector) -> bool:
    return _has_constraint(change.element, inspector)


@is_applied.register
def _(change: DropConstraint, inspector: Inspector) -> bool:
    return not _has_constraint(change.element, inspector)


def _has_index(index: Index, inspector: Inspector) -> bool:
    assert index.table is not None
    return index.name in {item["name"] for item in inspector.get_indexes(index.table.name)}


def _has_column(table: str, column: str, inspector: Inspector) -> bool:
    return column in {item["name"] for item in inspector.get_columns(table)}


def _has_constraint(constraint: Constraint, inspector: Inspector) -> bool:
    getters = (inspector.get_foreign_keys, inspector.get_unique_constraints, inspector.get_check_constraints)
    return constraint.name in {item["name"] for getter in getters for item in getter(constraint.table.name)}
