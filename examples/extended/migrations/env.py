"""Alembic's entry for the bookshop: flaskauth's database, the bookshop's tables, and a version table of its own."""

from alembic import context
from sqlalchemy import create_engine

import bookshop.models  # noqa: F401 (its tables)
from flaskauth import Base, Settings, migrations

engine = create_engine(Settings.load().database_url)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=migrations.is_yours,
        version_table="bookshop_version",
        render_as_batch=engine.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
