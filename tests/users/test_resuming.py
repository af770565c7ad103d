"""An import that is killed half way and started again ends where one that was not would have ended."""

import secrets
from pathlib import Path

import pytest
from tests.servers import MariaDB
from tests.users.marathon import database, killed_half_way, start, table, write

PEOPLE = 6000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(tmp_path / "people.csv", PEOPLE)
    return tmp_path / "people.csv"


def test_killed_half_way_and_started_again_it_ends_the_same(mariadb: MariaDB, file: Path) -> None:
    with database(mariadb, f"through_{secrets.token_hex(4)}", file.parent) as (place, engine):
        assert start(place, file).wait(60) == 0
        through = table(engine)

    with database(mariadb, f"killed_{secrets.token_hex(4)}", file.parent) as (place, engine):
        were_in = killed_half_way(place, engine, file, PEOPLE)
        assert start(place, file).wait(60) == 0
        assert PEOPLE // 2 <= were_in < PEOPLE
        assert table(engine) == through


def test_two_imports_of_one_file_at_once_end_the_same(mariadb: MariaDB, file: Path) -> None:
    with database(mariadb, f"twice_{secrets.token_hex(4)}", file.parent) as (place, engine):
        both = [start(place, file) for _ in range(2)]
        assert [running.wait(60) for running in both] == [0, 0]
        assert table(engine).startswith(f"{PEOPLE} people")
