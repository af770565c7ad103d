"""The migrations of an imaginary later version: the current ones, and additions to tables that every request uses."""

import shutil
from pathlib import Path

from flaskauth import migrations

REVISION_TEMPLATE = '''"""{description}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    {change}


def downgrade() -> None:
    pass
'''
CHANGES = {
    "Add the motto of a user.": 'op.add_column("users", sa.Column("motto", sa.String(100), nullable=True))',
    "Index users by motto.": 'op.create_index("ix_users_motto", "users", ["motto"])',
    "Add the colour of a session.": 'op.add_column("sessions", sa.Column("colour", sa.String(20), nullable=True))',
    "Index sessions by colour.": 'op.create_index("ix_sessions_colour", "sessions", ["colour"])',
}
NEWEST_REVISION = f"90{len(CHANGES):02}"


def write_newer_migrations(folder: Path) -> Path:
    """Write the migrations and an alembic.ini into the folder, and return the path of the alembic.ini."""
    shutil.copytree(migrations.MIGRATIONS_DIR, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    before = migrations.head()
    for number, (description, change) in enumerate(CHANGES.items(), 1):
        text = REVISION_TEMPLATE.format(
            description=description, change=change, revision=f"90{number:02}", before=before
        )
        (folder / "migrations" / "versions" / f"90{number:02}_more.py").write_text(text)
        before = f"90{number:02}"
    ini = folder / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    return ini
