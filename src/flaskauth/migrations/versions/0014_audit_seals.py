"""Seals over events, each of which names the one before it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "audit_seals",
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=True),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("late", sa.Integer(), nullable=False),
        sa.Column("unproven", sa.Integer(), nullable=False),
        sa.Column("digest", columns.Bytes(32), nullable=False),
        sa.Column("previous", columns.Bytes(32), nullable=False),
        sa.Column("ends_at", columns.Moment(), nullable=False),
        sa.Column("kept_since", columns.Moment(), nullable=False),
        sa.Column("sealed_at", columns.Moment(), nullable=False),
        sa.Column("mac", columns.Bytes(32), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_audit_seals")),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("audit_seals")
