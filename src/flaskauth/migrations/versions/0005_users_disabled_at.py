"""Since when a person may not sign in."""

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("disabled_at", columns.Moment(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "disabled_at")
