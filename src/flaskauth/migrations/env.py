"""Alembic's entry: which database, and the tables of every room."""

from pathlib import Path
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.util import CommandError
from sqlalchemy import URL, create_engine

import flaskauth  # noqa: F401 (every room's tables)
from flaskauth.foundation.columns import Base
from flaskauth.foundation.engine import Embedded, is_sqlite, server_options
from flaskauth.settings import Settings, SettingsError

PATIENCE = 3600  # seconds that a change of a large table may take


def run() -> None:
    url = context.config.attributes.get("database_url") or _configured()
    if is_sqlite(url) and url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {"factory": Embedded} if is_sqlite(url) else server_options(answer_timeout=PATIENCE)
    engine = create_engine(url, connect_args=options)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            compare_type=True,
            render_as_batch=is_sqlite(engine.url),
            render_item=_render,
            on_version_apply=lambda **_step: context.config.attributes.get("told", bool)(),
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def _configured() -> URL:
    try:
        return Settings.load().database_url
    except SettingsError as error:
        raise CommandError(str(error)) from None


def _render(kind: str, thing: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Write our column types by their own names in a new revision."""
    if kind == "type" and type(thing).__module__ == "flaskauth.foundation.columns":
        autogen_context.imports.add("from flaskauth.foundation import columns")
        length = getattr(thing, "length", None)
        return f"columns.{type(thing).__name__}({length or ''})"
    return False


run()
