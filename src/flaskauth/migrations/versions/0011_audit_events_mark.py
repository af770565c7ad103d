"""That this server wrote an event."""

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("mark", columns.Bytes(32), nullable=True))


def downgrade() -> None:
    op.drop_column("audit_events", "mark")
