"""When a person is to be erased."""

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("closes_at", columns.Moment(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "closes_at")
