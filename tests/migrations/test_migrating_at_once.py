"""Several that migrate one database at once: one does, the others wait for it, but not for one that died."""

import re
import time
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.event import listen, remove
from tests.conftest import servers
from tests.inside import together
from tests.journeys.processes import Place

from flaskauth import migrations
from flaskauth.migrations import lock

CLONE = Path(__file__).parents[2]
DEAD = "a machine, process 1 (cafe)"


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def under_way(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrations.under_way(connection)


def place_of(engine: Engine, folder: Path) -> Place:
    url = engine.url.render_as_string(hide_password=False)
    return Place(folder, {"SQLALCHEMY_DATABASE_URI": url, "FLASKAUTH_ENV": "development"})


def test_of_five_one_migrates_and_all_say_where_it_stands(engine: Engine, tmp_path: Path) -> None:
    place = place_of(engine, tmp_path)
    ours, tutorials = ("flaskauth", "db", "upgrade"), ("alembic", "-c", str(CLONE / "alembic.ini"), "upgrade", "head")

    said = together([partial(place.run, *words) for words in (ours, ours, ours, tutorials, tutorials)])

    assert sum(f"is at revision {migrations.head()}" in words for words in said) == 3
    with engine.connect() as connection:
        assert migrations.is_current(connection)
        assert connection.scalar(text("SELECT COUNT(*) FROM countries")) == 249
    assert under_way(engine) is None


def test_who_waits_says_for_whom_and_goes_on_when_they_are_done(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url)
    migrations.downgrade(engine.url, "0014")
    execute(engine, f"UPDATE schema_locks SET owner = '{DEAD}'")
    with place_of(engine, tmp_path).start("flaskauth", "db", "upgrade") as waiting:
        waiting.wait_for(f"{DEAD} is changing the schema. Waiting for it.")
        assert migrations.revision(engine.url) == "0014"
        assert under_way(engine) == DEAD

        execute(engine, "UPDATE schema_locks SET owner = NULL")
        waiting.wait_until(lambda: migrations.revision(engine.url) == migrations.head())


@pytest.mark.parametrize("empties", servers(), indirect=True)
def test_one_that_died_is_waited_for_until_it_is_certain(engine: Engine, tmp_path: Path) -> None:
    migrations.upgrade(engine.url)
    execute(engine, f"UPDATE schema_locks SET owner = '{DEAD}'")
    began = time.monotonic()

    place_of(engine, tmp_path).run("flaskauth", "db", "upgrade")

    assert lock.DEAD_AFTER < time.monotonic() - began < lock.DEAD_AFTER + 15
    assert under_way(engine) is None


def test_one_that_lives_is_not_taken_for_dead(engine: Engine) -> None:
    """It beats while it is busy with one long change."""
    first = lock.Lock(engine, str)
    with first.held():
        seen = _beat(engine)
        time.sleep(3 * lock.BEAT)
        assert _beat(engine) > seen


def test_who_was_taken_for_dead_changes_nothing_any_more(engine: Engine) -> None:
    """Another took over while one of its changes took long; that one goes on where this one was."""
    migrations.upgrade(engine.url, "0002")

    def take_over(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "CREATE TABLE links" in statement:
            execute(engine, f"UPDATE schema_locks SET owner = '{DEAD}'")

    listen(Engine, "after_cursor_execute", take_over)
    try:
        with pytest.raises(migrations.CannotMigrate, match=f"{re.escape(DEAD)} took over"):
            migrations.upgrade(engine.url)
    finally:
        remove(Engine, "after_cursor_execute", take_over)
    assert under_way(engine) == DEAD
    assert indexes(engine) == set()

    execute(engine, "UPDATE schema_locks SET owner = NULL")
    assert under_way(engine) == "somebody"  # who left it half done
    migrations.upgrade(engine.url)
    assert len(indexes(engine)) == 3


def indexes(engine: Engine) -> set[str | None]:
    found = {index["name"] for index in inspect(engine).get_indexes("links")}
    return {name for name in found if name and name.startswith("ix_")}


def _beat(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT beat FROM schema_locks")).scalar_one())
