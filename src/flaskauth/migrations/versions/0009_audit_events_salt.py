"""Hides the personal fields of an event once they are erased."""

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("salt", columns.Bytes(16), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_events", "salt")
