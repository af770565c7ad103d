"""Who is to be erased next."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_users_closes_at"), "users", ["closes_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_users_closes_at"), table_name="users")
