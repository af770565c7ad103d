"""The page for those who bring people along: its file comes in, and its queries list what other applications keep."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from tests.documentation.blocks import block
from tests.documentation.shells import serving
from tests.journeys.processes import Place
from tests.people import PASSWORD
from tests.servers import MariaDB
from tests.users.desk import Desk
from tests.users.hashes import SAMPLES

from flaskauth.settings import with_driver

NAMES = "first_name VARCHAR(99), last_name VARCHAR(99)"
# What each application keeps, as far as the page asks for it, and one person in it.
KEPT = {
    "django": (
        f"auth_user (id INT, email VARCHAR(99), {NAMES}, password VARCHAR(128), is_active BOOL, date_joined DATETIME)",
        (7, "ada@example.com", "Ada", "Lovelace", SAMPLES["django pbkdf2_sha256"], 1, "2024-01-10 16:43:48"),
    ),
    "flask-security": (
        "user (id INT, email VARCHAR(99), password VARCHAR(255), active BOOL, confirmed_at DATETIME)",
        (7, "ada@example.com", SAMPLES["argon2id"], 1, "2024-01-10 16:43:48"),
    ),
    "fastapi-users": (
        "user (id CHAR(36), email VARCHAR(99), hashed_password VARCHAR(1024), is_active BOOL, is_verified BOOL)",
        ("7d444840-9dc0-11d1-b245-5ffdce74fad2", "ada@example.com", SAMPLES["bcrypt 2b"], 1, 1),
    ),
    "wordpress": (
        "wp_users (ID INT, user_email VARCHAR(99), user_pass VARCHAR(255), user_registered DATETIME,"
        " display_name VARCHAR(99))",
        (7, "ada@example.com", SAMPLES["wordpress"], "2024-01-10 16:43:48", "Ada"),
    ),
    "tutorial": (
        f"users (id INT, email VARCHAR(99), {NAMES}, password VARCHAR(255), is_verified BOOL, created_at DATETIME)",
        (7, "ada@example.com", "Ada", "Lovelace", SAMPLES["werkzeug scrypt"], 1, "2024-01-10 16:43:48"),
    ),
}
QUERIES = {
    "django": block("docs/importing.md", "django"),
    "flask-security": block("docs/importing.md", "flask-security"),
    "fastapi-users": block("docs/importing.md", "fastapi-users"),
    "wordpress": block("docs/importing.md", "wordpress"),
    "tutorial": block("docs/importing.md", "tutorial"),
}


@pytest.fixture
def elsewhere(mariadb: MariaDB) -> Iterator[Engine]:
    """The database of another application."""
    name = f"elsewhere_{secrets.token_hex(4)}"
    mariadb.create(name)
    engine = create_engine(with_driver(mariadb.url(name)))
    yield engine
    engine.dispose()
    mariadb.drop(name)


def test_the_people_of_the_page_come_along_sign_in_and_are_kept_out(tmp_path: Path) -> None:
    ada = {"email": "ada@example.com", "password": PASSWORD}
    (tmp_path / "people.csv").write_text(block("docs/importing.md", "people"))
    with serving(Place(tmp_path)) as (shell, visitor):
        said = words(shell.paste(block("docs/importing.md", "import")))
        report = words(block("docs/importing.md", "report"))
        assert said[: len(report)] == report
        assert ["came", "in", "2"] in said
        assert ["Password", "bcrypt"] in said
        assert visitor.post("/auth/login", ada).expect()["user"]["id"] == 7

        shell.paste(block("docs/importing.md", "export"))
        listed = [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()]
        assert [person["id"] for person in listed] == [7, 8]
        assert listed[0]["password"].startswith("$argon2id$")

        out, back = block("docs/importing.md", "disable").splitlines()
        token = visitor.post("/auth/login", ada).expect()["token"]
        shell.paste(out)
        visitor.get("/users/profile", token).expect(401)
        visitor.post("/auth/login", ada).expect(401)
        shell.paste(back)
        visitor.post("/auth/login", ada).expect()


@pytest.mark.parametrize("application", KEPT)
def test_each_query_lists_people_that_come_along(
    sqlite_template: Path, tmp_path: Path, elsewhere: Engine, application: str
) -> None:
    desk = Desk(f"sqlite:///{sqlite_template}", tmp_path)
    for listed in (out_of_sqlite(application), out_of_mariadb(application, elsewhere)):
        said = desk.imports_raw(f"{listed}\n".encode(), "people.jsonl", options=("--dry-run",))

        assert (said.code, said.error) == (0, ""), listed
        assert [said.count(what) for what in ("would come in", "- verified", "- disabled")] == [1, 1, 0], listed
        assert "- hash: none" not in said.out


def out_of_sqlite(application: str) -> str:
    table, person = KEPT[application]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {table}")
        connection.execute(f"INSERT INTO {table.split()[0]} VALUES ({', '.join('?' * len(person))})", person)
        [(listed,)] = connection.execute(QUERIES[application]).fetchall()
    return str(listed)


def out_of_mariadb(application: str, engine: Engine) -> str:
    table, person = KEPT[application]
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table}")
        places = ", ".join(["%s"] * len(person))
        connection.exec_driver_sql(f"INSERT INTO {table.split()[0]} VALUES ({places})", person)
        return str(connection.exec_driver_sql(QUERIES[application].rstrip(";\n")).scalar_one())


def words(said: str) -> list[list[str]]:
    """The words of each line, however wide the columns are."""
    return [line.split() for line in said.splitlines() if line.strip()]
