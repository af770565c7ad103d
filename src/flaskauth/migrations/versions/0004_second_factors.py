"""Add the tables of second factors, and the columns of users, sessions and devices that sign-ins with them need."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from flaskauth.core.db import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLE_OPTIONS: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def upgrade() -> None:
    for table, column in _columns():
        op.add_column(table, column)
    op.create_index(op.f("ix_users_webauthn_user_handle"), "users", ["webauthn_user_handle"], unique=True)
    _create_factor_tables()
    _create_login_tables()


def downgrade() -> None:
    op.drop_table("factor_resets")
    op.drop_table("used_webauthn_challenges")
    op.drop_table("login_challenges")
    op.drop_table("recovery_codes")
    op.drop_table("passkeys")
    op.drop_table("totp_factors")
    op.drop_index(op.f("ix_users_webauthn_user_handle"), table_name="users")
    for table, column in reversed(_columns()):
        op.drop_column(table, column.name)


def _columns() -> tuple[tuple[str, sa.Column[Any]], ...]:
    """Return the columns. Servers of the previous version insert rows without them, so each may be absent."""
    return (
        ("users", sa.Column("mfa_enabled", sa.Boolean(), server_default=sa.text("0"), nullable=False)),
        ("users", sa.Column("mfa_required", sa.Boolean(), server_default=sa.text("0"), nullable=False)),
        ("users", sa.Column("webauthn_user_handle", types.FixedBinary(32), nullable=True)),
        ("users", sa.Column("credential_version", sa.Integer(), server_default=sa.text("0"), nullable=False)),
        ("users", sa.Column("reset_required", sa.Boolean(), server_default=sa.text("0"), nullable=False)),
        ("sessions", sa.Column("amr", sa.String(length=64), server_default="pwd", nullable=False)),
        ("devices", sa.Column("remembered_until", types.UTCDateTime(), nullable=True)),
    )


def _create_factor_tables() -> None:
    op.create_table(
        "totp_factors",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("encrypted_secret", types.FixedBinary(128), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=True),
        sa.Column("confirmed_at", types.UTCDateTime(), nullable=True),
        sa.Column("last_used_at", types.UTCDateTime(), nullable=True),
        sa.Column("removed_at", types.UTCDateTime(), nullable=True),
        _user_key("totp_factors"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_totp_factors")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_totp_factors_expires_at"), "totp_factors", ["expires_at"])
    op.create_index(op.f("ix_totp_factors_removed_at"), "totp_factors", ["removed_at"])
    op.create_index(op.f("ix_totp_factors_user_id"), "totp_factors", ["user_id"])
    op.create_table(
        "passkeys",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("credential_digest", types.FixedBinary(32), nullable=False),
        sa.Column("credential_id", types.FixedBinary(1023), nullable=False),
        sa.Column("public_key", types.FixedBinary(1024), nullable=False),
        sa.Column("rp_id", types.ExactString(253), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("aaguid", types.FixedBinary(16), nullable=False),
        sa.Column("transports", sa.String(length=64), nullable=False),
        sa.Column("can_sign_in", sa.Boolean(), nullable=False),
        sa.Column("backup_eligible", sa.Boolean(), nullable=False),
        sa.Column("backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("last_used_at", types.UTCDateTime(), nullable=True),
        sa.Column("removed_at", types.UTCDateTime(), nullable=True),
        _user_key("passkeys"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_digest", name=op.f("uq_passkeys_credential_digest")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_passkeys_removed_at"), "passkeys", ["removed_at"])
    op.create_index(op.f("ix_passkeys_user_id"), "passkeys", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("salt", types.FixedBinary(16), nullable=False),
        sa.Column("digest", types.FixedBinary(32), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("used_at", types.UTCDateTime(), nullable=True),
        sa.Column("removed_at", types.UTCDateTime(), nullable=True),
        _user_key("recovery_codes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_recovery_codes_removed_at"), "recovery_codes", ["removed_at"])
    op.create_index(op.f("ix_recovery_codes_user_id_digest"), "recovery_codes", ["user_id", "digest"])


def _create_login_tables() -> None:
    op.create_table(
        "login_challenges",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("token_digest", types.FixedBinary(32), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("credential_version", sa.Integer(), nullable=False),
        sa.Column("amr", sa.String(length=64), nullable=False),
        sa.Column("device_id", sa.BigInteger(), nullable=True),
        sa.Column("network", types.ExactString(64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UTCDateTime(), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.Column("used_at", types.UTCDateTime(), nullable=True),
        _user_key("login_challenges"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_challenges")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_login_challenges_token_digest")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_login_challenges_expires_at"), "login_challenges", ["expires_at"])
    op.create_index(op.f("ix_login_challenges_user_id"), "login_challenges", ["user_id"])
    op.create_table(
        "used_webauthn_challenges",
        sa.Column("digest", types.FixedBinary(32), nullable=False),
        sa.Column("expires_at", types.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_webauthn_challenges")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_used_webauthn_challenges_expires_at"), "used_webauthn_challenges", ["expires_at"])
    op.create_table(
        "factor_resets",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("link_id", types.FixedBinary(16), nullable=False),
        sa.Column("network", types.ExactString(64), nullable=False),
        sa.Column("requested_at", types.UTCDateTime(), nullable=False),
        sa.Column("due_at", types.UTCDateTime(), nullable=False),
        _user_key("factor_resets"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_factor_resets")),
        **TABLE_OPTIONS,
    )
    op.create_index(op.f("ix_factor_resets_due_at"), "factor_resets", ["due_at"])
    op.create_index(op.f("ix_factor_resets_requested_at"), "factor_resets", ["requested_at"])


def _user_key(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_user_id")
    return sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=name, onupdate="CASCADE", ondelete="CASCADE")
