"""Alembic environment of the bookshop: flaskauth's database, the bookshop's tables and its own version table."""

from alembic import context
from sqlalchemy import create_engine

import bookshop.models  # noqa: F401 (registers its tables)
from flaskauth import Base, Settings, migrations

engine = create_engine(Settings.load().database_url)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=migrations.include_object,
        version_table="bookshop_version",
        render_as_batch=engine.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
