"""Pictures are found by their names, to tell which nobody has any more."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_users_avatar", "users", ["avatar"])


def downgrade() -> None:
    op.drop_index("ix_users_avatar", "users")
