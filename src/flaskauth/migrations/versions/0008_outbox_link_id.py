"""The link that a mail carries."""

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("link_id", columns.Bytes(16), nullable=True))


def downgrade() -> None:
    op.drop_column("outbox", "link_id")
