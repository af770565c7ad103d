"""Addresses that people are about to change to."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "address_changes",
        sa.Column("id", columns.Bytes(16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", columns.Identity(320), nullable=False),
        sa.Column("link_id", columns.Bytes(16), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_address_changes_user_id"),
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_changes")),
        sa.Index(op.f("ix_address_changes_user_id_created_at"), "user_id", "created_at"),
        sa.Index(op.f("ix_address_changes_created_at"), "created_at"),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("address_changes")
