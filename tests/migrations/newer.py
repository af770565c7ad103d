"""A later version's migrations: ours, and more that add to the tables which every request uses."""

import shutil
from pathlib import Path

from flaskauth import migrations

REVISION = '''"""{told}"""

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
    "A motto of a person": 'op.add_column("users", sa.Column("motto", sa.String(100), nullable=True))',
    "People by motto": 'op.create_index("ix_users_motto", "users", ["motto"])',
    "A colour of a session": 'op.add_column("sessions", sa.Column("colour", sa.String(20), nullable=True))',
    "Sessions by colour": 'op.create_index("ix_sessions_colour", "sessions", ["colour"])',
}
NEWEST = f"90{len(CHANGES):02}"


def written(folder: Path) -> Path:
    """Its alembic.ini, in a folder of its own."""
    shutil.copytree(migrations.FOLDER, folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    before = migrations.head()
    for number, (told, change) in enumerate(CHANGES.items(), 1):
        text = REVISION.format(told=told, change=change, revision=f"90{number:02}", before=before)
        (folder / "migrations" / "versions" / f"90{number:02}_more.py").write_text(text)
        before = f"90{number:02}"
    ini = folder / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = %(here)s/migrations\npath_separator = os\n")
    return ini
