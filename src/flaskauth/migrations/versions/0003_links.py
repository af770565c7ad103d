"""Links that take something back."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", columns.Bytes(16), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("address", columns.Identity(320), nullable=True),
        sa.Column("nonce", columns.Bytes(32), nullable=False),
        sa.Column("digest", columns.Bytes(32), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("expires_at", columns.Moment(), nullable=False),
        sa.Column("used_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_links_digest")),
        sa.Index(op.f("ix_links_user_id_purpose"), "user_id", "purpose"),
        sa.Index(op.f("ix_links_address"), "address"),
        sa.Index(op.f("ix_links_expires_at"), "expires_at"),
        **TABLE,
    )


def downgrade() -> None:
    op.drop_table("links")
