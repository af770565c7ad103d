"""Create all tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from flaskauth.core.db import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLE_OPTIONS: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", types.UTCDateTime(), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("device", sa.String(length=255), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.Column("details", types.JSONText(), nullable=False),
        sa.Column("salt", types.FixedBinary(16), nullable=True),
        sa.Column("personal_digest", types.FixedBinary(32), nullable=True),
        sa.Column("signature", types.FixedBinary(32), nullable=True),
        sa.Column("seal", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_audit_events_at"), "audit_events", ["at"])
    op.create_index(op.f("ix_audit_events_seal_id"), "audit_events", ["seal", "id"])
    op.create_index(op.f("ix_audit_events_user_id_id"), "audit_events", ["user_id", "id"])
    op.create_table(
        "audit_seals",
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=True),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("late_count", sa.Integer(), nullable=False),
        sa.Column("unsigned_count", sa.Integer(), nullable=False),
        sa.Column("digest", types.FixedBinary(32), nullable=False),
        sa.Column("previous", types.FixedBinary(32), nullable=False),
        sa.Column("last_event_at", types.UTCDateTime(), nullable=False),
        sa.Column("retained_since", types.UTCDateTime(), nullable=False),
        sa.Column("sealed_at", types.UTCDateTime(), nullable=False),
        sa.Column("mac", types.FixedBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_audit_seals")),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "email_links",
        sa.Column("id", types.FixedBinary(16), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("normalized_email", types.ExactString(320), nullable=True),
        sa.Column("nonce", types.FixedBinary(32), nullable=False),
        sa.Column("digest", types.FixedBinary(32), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("used_at", types.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_email_links_digest")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_email_links_expires_at"), "email_links", ["expires_at"])
    op.create_index(op.f("ix_email_links_normalized_email"), "email_links", ["normalized_email"])
    op.create_index(op.f("ix_email_links_user_id_purpose"), "email_links", ["user_id", "purpose"])
    op.create_table(
        "one_time_codes",
        sa.Column("id", types.FixedBinary(16), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("normalized_email", types.ExactString(320), nullable=False),
        sa.Column("network", types.ExactString(64), nullable=False),
        sa.Column("nonce", types.FixedBinary(32), nullable=False),
        sa.Column("lookup", types.FixedBinary(32), nullable=False),
        sa.Column("code_expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("request_expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("is_decoy", sa.Boolean(), nullable=False),
        sa.Column("is_suppressed", sa.Boolean(), nullable=False),
        sa.Column("mails_sent", sa.Integer(), nullable=False),
        sa.Column("resend_at", types.UTCDateTime(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("used_at", types.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_codes")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_one_time_codes_lookup"), "one_time_codes", ["lookup"])
    op.create_index(
        op.f("ix_one_time_codes_purpose_normalized_email"),
        "one_time_codes",
        ["purpose", "normalized_email"],
        unique=False,
    )
    op.create_index(op.f("ix_one_time_codes_request_expires_at"), "one_time_codes", ["request_expires_at"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("template", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=320), nullable=False),
        sa.Column("context", types.JSONText(), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("code_id", types.FixedBinary(16), nullable=True),
        sa.Column("link_id", types.FixedBinary(16), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("next_attempt_at", types.UTCDateTime(), nullable=False),
        sa.Column("leased_until", types.UTCDateTime(), nullable=True),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("sent_at", types.UTCDateTime(), nullable=True),
        sa.Column("message_id", sa.String(length=255), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_outbox_state_created_at"), "outbox", ["state", "created_at"])
    op.create_index(op.f("ix_outbox_state_next_attempt_at"), "outbox", ["state", "next_attempt_at"])
    op.create_table(
        "rate_limit_counters",
        sa.Column("key", types.FixedBinary(32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("resets_at", types.UTCDateTime(), nullable=False),
        sa.Column("locked_until", types.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limit_counters")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_rate_limit_counters_resets_at"), "rate_limit_counters", ["resets_at"])
    op.create_table(
        "regions",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=3), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["regions.id"], name=op.f("fk_regions_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regions")),
        sa.UniqueConstraint("code", name=op.f("uq_regions_code")),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "scheduled_runs",
        sa.Column("name", types.ExactString(64), nullable=False),
        sa.Column("next_run_at", types.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_scheduled_runs")),
        **TABLE_OPTIONS,
    )
    op.create_table(
        "signing_keys",
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kid", types.ExactString(43), nullable=False),
        sa.Column("public_jwk", types.JSONText(), nullable=False),
        sa.Column("encrypted_private_key", types.FixedBinary(512), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("active_from", types.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("ordinal", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("kid", name=op.f("uq_signing_keys_kid")),
        **TABLE_OPTIONS,
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
        **TABLE_OPTIONS,
    )
    op.create_table(
        "registrations",
        sa.Column("id", types.FixedBinary(16), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("normalized_email", types.ExactString(320), nullable=False),
        sa.Column("password_hash", types.ExactString(255), nullable=False),
        sa.Column("first_name", sa.String(length=100), nullable=False),
        sa.Column("last_name", sa.String(length=100), nullable=False),
        sa.Column("country_id", sa.Integer(), nullable=True),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("network", types.ExactString(64), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("is_open", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["country_id"],
            ["countries.id"],
            name=op.f("fk_registrations_country_id"),
            onupdate="CASCADE",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sa.UniqueConstraint(
            "normalized_email",
            "password_hash",
            "is_open",
            name=op.f("uq_registrations_normalized_email_password_hash_is_open"),
        ),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_registrations_expires_at"), "registrations", ["expires_at"])
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("normalized_email", types.ExactString(320), nullable=False),
        sa.Column("password", types.ExactString(255), nullable=True),
        sa.Column("first_name", sa.String(length=200), nullable=False),
        sa.Column("last_name", sa.String(length=200), nullable=False),
        sa.Column("avatar", sa.String(length=250), nullable=True),
        sa.Column("country_id", sa.Integer(), nullable=True),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("is_verified", sa.Boolean(), nullable=False),
        sa.Column("last_login_at", types.UTCDateTime(), nullable=True),
        sa.Column("disabled_at", types.UTCDateTime(), nullable=True),
        sa.Column("deletion_due_at", types.UTCDateTime(), nullable=True),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("updated_at", types.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["country_id"], ["countries.id"], name=op.f("fk_users_country_id"), onupdate="CASCADE", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("normalized_email", name=op.f("uq_users_normalized_email")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_users_avatar"), "users", ["avatar"])
    op.create_index(op.f("ix_users_deletion_due_at"), "users", ["deletion_due_at"])
    op.create_table(
        "devices",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("token_digest", types.FixedBinary(32), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("last_used_at", types.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_devices_user_id"), onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_devices_token_digest")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_devices_last_used_at"), "devices", ["last_used_at"])
    op.create_index(op.f("ix_devices_user_id_last_used_at"), "devices", ["user_id", "last_used_at"])
    op.create_table(
        "email_changes",
        sa.Column("id", types.FixedBinary(16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("normalized_email", types.ExactString(320), nullable=False),
        sa.Column("link_id", types.FixedBinary(16), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_email_changes_user_id"), onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_changes")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_email_changes_created_at"), "email_changes", ["created_at"])
    op.create_index(op.f("ix_email_changes_user_id_created_at"), "email_changes", ["user_id", "created_at"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("nonce", types.FixedBinary(32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_at", types.UTCDateTime(), nullable=True),
        sa.Column("network", types.ExactString(64), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=255), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("last_used_at", types.UTCDateTime(), nullable=False),
        sa.Column("idle_expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("revoked_at", types.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_sessions_user_id"), onupdate="CASCADE", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"])
    op.create_index(op.f("ix_sessions_user_id_network_created_at"), "sessions", ["user_id", "network", "created_at"])
    op.create_index(
        op.f("ix_sessions_user_id_revoked_at_created_at"),
        "sessions",
        ["user_id", "revoked_at", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("sessions")
    op.drop_table("email_changes")
    op.drop_table("devices")
    op.drop_table("users")
    op.drop_table("registrations")
    op.drop_table("countries")
    op.drop_table("signing_keys")
    op.drop_table("scheduled_runs")
    op.drop_table("regions")
    op.drop_table("rate_limit_counters")
    op.drop_table("outbox")
    op.drop_table("one_time_codes")
    op.drop_table("email_links")
    op.drop_table("audit_seals")
    op.drop_table("audit_events")
