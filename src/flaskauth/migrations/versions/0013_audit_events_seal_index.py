"""Which events a seal took in, and which wait for one."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_audit_events_seal_id"), "audit_events", ["seal", "id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_audit_events_seal_id"), table_name="audit_events")
