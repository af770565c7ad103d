"""What a change of the schema leaves behind, to tell whether it was made before."""

from functools import singledispatch
from typing import Any

from alembic.ddl.base import AddColumn, ColumnName, DropColumn, RenameTable
from sqlalchemy import Inspector, Table
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DropConstraint, DropIndex, DropTable


@singledispatch
def is_made(_change: object, _there: Inspector) -> bool:
    """Whether the database looks as after this change. What is not listed, such as a new type, may be done twice."""
    return False


@is_made.register
def _(change: CreateTable, there: Inspector) -> bool:
    return there.has_table(change.element.name)


@is_made.register
def _(change: DropTable, there: Inspector) -> bool:
    return not there.has_table(change.element.name)


@is_made.register
def _(change: CreateIndex, there: Inspector) -> bool:
    return _has_index(change.element, there)


@is_made.register
def _(change: DropIndex, there: Inspector) -> bool:
    return not _has_index(change.element, there)


@is_made.register
def _(change: AddColumn, there: Inspector) -> bool:
    return _has_column(change.table_name, change.column.name, there)


@is_made.register
def _(change: DropColumn, there: Inspector) -> bool:
    return not _has_column(change.table_name, change.column.name, there)


@is_made.register
def _(change: ColumnName, there: Inspector) -> bool:
    return _has_column(change.table_name, change.newname, there)


@is_made.register
def _(change: RenameTable, there: Inspector) -> bool:
    return there.has_table(change.new_table_name) and not there.has_table(change.table_name)


@is_made.register
def _(change: AddConstraint, there: Inspector) -> bool:
    return _has_constraint(change.element, there)


@is_made.register
def _(change: DropConstraint, there: Inspector) -> bool:
    return not _has_constraint(change.element, there)


def _has_index(index: Any, there: Inspector) -> bool:
    return index.name in {found["name"] for found in there.get_indexes(index.table.name)}


def _has_column(table: str, column: str, there: Inspector) -> bool:
    return column in {found["name"] for found in there.get_columns(table)}


def _has_constraint(constraint: Any, there: Inspector) -> bool:
    table: Table = constraint.table
    kinds = (there.get_foreign_keys, there.get_unique_constraints, there.get_check_constraints)
    return constraint.name in {found["name"] for kind in kinds for found in kind(table.name)}
