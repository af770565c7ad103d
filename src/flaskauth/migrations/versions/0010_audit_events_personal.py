"""A digest of the personal fields of an event, which outlives them."""

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("personal", columns.Bytes(32), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_events", "personal")
