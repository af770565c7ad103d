"""docs/operations.md: a node is upgraded, a database is backed up and restored to a point in time."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from tests.documentation.blocks import as_words, block
from tests.documentation.shells import Shell, join_grace, serving
from tests.journeys.processes import COMMANDS, Place
from tests.journeys.visitors import Visitor
from tests.people import GRACE
from tests.servers import MariaDB
from tests.servers.binaries import binaries

from flaskauth.migrations import head
from flaskauth.settings import with_driver

CREDENTIALS = {name: GRACE[name] for name in ("email", "password")}
SETTINGS = {"FLASKAUTH_ENV": "development", "SECRET_KEY": "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"}


def having(told: str) -> MariaDB:
    """A MariaDB with such options."""
    return MariaDB(*as_words(told))


def test_who_upgrades_a_node_waits_until_it_is_ready(tmp_path: Path) -> None:
    with serving(Place(tmp_path)) as (shell, _visitor):
        said = shell.paste(block("docs/operations.md", "ready").replace("   ", "").replace(":8000", ":5000"))

    assert '"ready":true' in said


def test_who_migrates_sees_first_what_that_would_do(tmp_path: Path) -> None:
    (tmp_path / "migrations_url").write_text(f"sqlite:///{tmp_path}/test.db")
    script = block("docs/operations.md", "migrate").replace("   cd", "cd").replace("   SQL", "SQL")
    said = type_into(Shell(Place(tmp_path, SETTINGS), 0), script)

    assert "is at revision none" in said
    assert f"is at revision {head()}." in said


@pytest.fixture
def database(tmp_path: Path) -> Iterator[MariaDB]:
    """A MariaDB with a binary log, whose clients find it."""
    found = having(block("docs/operations.md", "binlog"))
    try:
        found.start()
        found.create("flaskauth")
        (tmp_path / ".my.cnf").write_text(f"[client]\nuser=root\nsocket={found.socket}\n")
        yield found
    finally:
        found.close()


def test_what_was_backed_up_comes_back_to_a_point_in_time_and_nobody_is_signed_in(
    database: MariaDB, tmp_path: Path
) -> None:
    place = Place(tmp_path, {**SETTINGS, "SQLALCHEMY_DATABASE_URI": database.url("flaskauth")})
    (tmp_path / "migrations_url").write_text(database.url("flaskauth"))
    place.run("flaskauth", "db", "upgrade")
    with serving(place) as (shell, visitor):
        type_into(shell, block("docs/operations.md", "backup"))
        tokens = join_and_sign_in(visitor)
    time.sleep(2)  # the binary log counts in seconds
    point = shell.paste("date '+%Y-%m-%d %H:%M:%S'").strip()
    time.sleep(1)
    change(database, "DELETE FROM users")

    type_into(shell, block("docs/operations.md", "restore"))
    file, position = placed(type_into(shell, block("docs/operations.md", "place")))
    log = f"{database.home}/data/{file}"
    there = {"1234": position, "2026-01-10 16:43:00": point, "/var/lib/mysql/binlog.000007": log}
    type_into(shell, block("docs/operations.md", "point"), there)
    said = type_into(shell, block("docs/operations.md", "after"))

    assert "1 sessions were ended" in said  # the one that was begun after the backup
    with serving(place) as (_shell, visitor):
        assert visitor.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401
        assert visitor.get("/users/profile", tokens["token"]).status == 401
        visitor.post("/auth/login", CREDENTIALS).expect()


def join_and_sign_in(visitor: Visitor) -> Mapping[str, str]:
    join_grace(visitor)
    tokens: Mapping[str, str] = visitor.post("/auth/login", CREDENTIALS).expect()
    return tokens


def type_into(shell: Shell, script: str, other: Mapping[str, str] | None = None) -> str:
    """A block of the page, on this machine: no services, no user of its own."""
    here = {
        "systemctl": ": systemctl",
        "runuser -u flaskauth -- ": "",
        "/opt/flaskauth/venv/bin": str(COMMANDS),
        "cd /etc/flaskauth": f"cd {shell.place.folder}",
    }
    for told, instead in {**here, **(other or {})}.items():
        script = script.replace(told, instead)
    return shell.paste(clients(), script)


def clients() -> str:
    """MariaDB's clients are where its server is."""
    found = binaries()
    libraries = found.environment.get("LD_LIBRARY_PATH", "")
    return f'export PATH="$PATH:{found.mariadb_dump.parent}" LD_LIBRARY_PATH="{libraries}"'


def placed(said: str) -> tuple[str, str]:
    file, position = (part.partition("=")[2].strip(" ';\n") for part in said.split(","))
    return file, position


def change(database: MariaDB, statement: str) -> None:
    with create_engine(with_driver(database.url("flaskauth")), poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))
