"""The seal that took an event in."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("seal", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_events", "seal")
