"""The schema: people, sessions, attempts, codes, budgets, keys, mail, events, places."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from flaskauth.foundation import columns

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", columns.Moment(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("device", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("details", columns.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        **TABLE,
    )
    op.create_index(op.f("ix_audit_events_at"), "audit_events", ["at"], unique=False)
    op.create_index(op.f("ix_audit_events_user_id_id"), "audit_events", ["user_id", "id"], unique=False)
    op.create_table(
        "budgets",
        sa.Column("key", columns.Bytes(32), nullable=False),
        sa.Column("spent", sa.Integer(), nullable=False),
        sa.Column("resets_at", columns.Moment(), nullable=False),
        sa.Column("waits_until", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_budgets")),
        **TABLE,
    )
    op.create_index(op.f("ix_budgets_resets_at"), "budgets", ["resets_at"], unique=False)
    op.create_table(
        "one_time_codes",
        sa.Column("id", columns.Bytes(16), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("address", columns.Identity(320), nullable=False),
        sa.Column("network", columns.Identity(64), nullable=False),
        sa.Column("nonce", columns.Bytes(32), nullable=False),
        sa.Column("lookup", columns.Bytes(32), nullable=False),
        sa.Column("expires_at", columns.Moment(), nullable=False),
        sa.Column("ends_at", columns.Moment(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("is_decoy", sa.Boolean(), nullable=False),
        sa.Column("is_withheld", sa.Boolean(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.Column("next_mail_at", columns.Moment(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("used_at", columns.Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_codes")),
        **TABLE,
    )
    op.create_index(op.f("ix_one_time_codes_ends_at"), "one_time_codes", ["ends_at"], unique=False)
    op.create_index(op.f("ix_one_time_codes_lookup"), "one_time_codes", ["lookup"], unique=False)
    op.create_index(op.f("ix_one_time_codes_purpose_address"), "one_time_codes", ["purpose", "address"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("context", columns.Json(), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("code_id", columns.Bytes(16), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("next_try_at", columns.Moment(), nullable=False),
        sa.Column("leased_until", columns.Moment(), nullable=True),
        sa.Column("expires_at", columns.Moment(), nullable=False),
        sa.Column("sent_at", columns.Moment(), nullable=True),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        **TABLE,
    )
    op.create_index(op.f("ix_outbox_state_created_at"), "outbox", ["state", "created_at"], unique=False)
    op.create_index(op.f("ix_outbox_state_next_try_at"), "outbox", ["state", "next_try_at"], unique=False)
    op.create_table(
        "regions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=3), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["regions.id"], name=op.f("fk_regions_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regions")),
        sa.UniqueConstraint("code", name=op.f("uq_regions_code")),
        **TABLE,
    )
    op.create_table(
        "scheduled_runs",
        sa.Column("name", columns.Identity(64), nullable=False),
        sa.Column("next_run_at", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_scheduled_runs")),
        **TABLE,
    )
    op.create_table(
        "signing_keys",
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kid", columns.Identity(43), nullable=False),
        sa.Column("public_jwk", columns.Json(), nullable=False),
        sa.Column("sealed", columns.Bytes(512), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("signs_from", columns.Moment(), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("kid", name=op.f("uq_signing_keys_kid")),
        **TABLE,
    )
    op.create_table(
        "countries",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=2), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("region_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_countries_region_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_countries")),
        sa.UniqueConstraint("code", name=op.f("uq_countries_code")),
        sa.UniqueConstraint("name", name=op.f("uq_countries_name")),
        **TABLE,
    )
    op.create_table(
        "registrations",
        sa.Column("id", columns.Bytes(16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", columns.Identity(320), nullable=False),
        sa.Column("password", columns.Identity(255), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("country_id", sa.Integer(), nullable=True),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("network", columns.Identity(64), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("ends_at", columns.Moment(), nullable=False),
        sa.Column("is_open", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["country_id"],
            ["countries.id"],
            name=op.f("fk_registrations_country_id"),
            onupdate="CASCADE",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sa.UniqueConstraint("address", "password", "is_open", name=op.f("uq_registrations_address_password_is_open")),
        **TABLE,
    )
    op.create_index(op.f("ix_registrations_ends_at"), "registrations", ["ends_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("address", columns.Identity(320), nullable=False),
        sa.Column("password", columns.Identity(255), nullable=True),
        sa.Column("first_name", sa.String(length=200), nullable=False),
        sa.Column("last_name", sa.String(length=200), nullable=False),
        sa.Column("avatar", sa.String(length=250), nullable=True),
        sa.Column("country_id", sa.Integer(), nullable=True),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("signed_in_at", columns.Moment(), nullable=True),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("updated_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["country_id"], ["countries.id"], name=op.f("fk_users_country_id"), onupdate="CASCADE", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("address", name=op.f("uq_users_address")),
        **TABLE,
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", columns.Bytes(32), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("last_used_at", columns.Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_devices_user_id"), onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_devices_token_digest")),
        **TABLE,
    )
    op.create_index(op.f("ix_devices_last_used_at"), "devices", ["last_used_at"], unique=False)
    op.create_index(op.f("ix_devices_user_id_last_used_at"), "devices", ["user_id", "last_used_at"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("nonce", columns.Bytes(32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("traded_at", columns.Moment(), nullable=True),
        sa.Column("network", columns.Identity(64), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("device", sa.String(length=255), nullable=False),
        sa.Column("created_at", columns.Moment(), nullable=False),
        sa.Column("last_used_at", columns.Moment(), nullable=False),
        sa.Column("idle_ends_at", columns.Moment(), nullable=False),
        sa.Column("ends_at", columns.Moment(), nullable=False),
        sa.Column("ended_at", columns.Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        **TABLE,
    )
    op.create_index(op.f("ix_sessions_ends_at"), "sessions", ["ends_at"], unique=False)
    op.create_index(
        op.f("ix_sessions_user_id_ended_at_created_at"), "sessions", ["user_id", "ended_at", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_sessions_user_id_network_created_at"), "sessions", ["user_id", "network", "created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("sessions")
    op.drop_table("devices")
    op.drop_table("users")
    op.drop_table("registrations")
    op.drop_table("countries")
    op.drop_table("signing_keys")
    op.drop_table("scheduled_runs")
    op.drop_table("regions")
    op.drop_table("outbox")
    op.drop_table("one_time_codes")
    op.drop_table("budgets")
    op.drop_table("audit_events")
