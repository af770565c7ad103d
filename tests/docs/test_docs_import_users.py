"""The import page: its file is imported, and its queries read the tables of other applications."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from tests.docs.code_blocks import block
from tests.docs.shell import serve_workspace
from tests.e2e.processes import Workspace
from tests.servers import MariaDB
from tests.support.users import PASSWORD
from tests.user_admin.helpers import AdminCLI
from tests.user_admin.sample_hashes import SAMPLES

from flaskauth.settings import with_driver

EMAIL_AND_NAMES = "email VARCHAR(99), first_name VARCHAR(99), last_name VARCHAR(99)"
# The table of each application, with the columns that the page uses, and one user.
SOURCE_TABLES = {
    "django": (
        f"auth_user (id INT, {EMAIL_AND_NAMES}, password VARCHAR(128), is_active BOOL, date_joined DATETIME)",
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
        f"users (id INT, {EMAIL_AND_NAMES}, password VARCHAR(255), is_verified BOOL, created_at DATETIME)",
        (7, "ada@example.com", "Ada", "Lovelace", SAMPLES["werkzeug scrypt"], 1, "2024-01-10 16:43:48"),
    ),
}
QUERIES = {
    "django": block("docs/how-to/import-users.md", "django"),
    "flask-security": block("docs/how-to/import-users.md", "flask-security"),
    "fastapi-users": block("docs/how-to/import-users.md", "fastapi-users"),
    "wordpress": block("docs/how-to/import-users.md", "wordpress"),
    "tutorial": block("docs/how-to/import-users.md", "tutorial"),
}


@pytest.fixture
def source_database(mariadb: MariaDB) -> Iterator[Engine]:
    """Create the database of a different application."""
    name = f"source_{secrets.token_hex(4)}"
    mariadb.create(name)
    engine = create_engine(with_driver(mariadb.url(name)))
    yield engine
    engine.dispose()
    mariadb.drop(name)


def test_import_page_users_login_and_can_be_disabled(tmp_path: Path) -> None:
    ada = {"email": "ada@example.com", "password": PASSWORD}
    (tmp_path / "users.csv").write_text(block("docs/how-to/import-users.md", "users"))
    with serve_workspace(Workspace(tmp_path)) as (shell, http_client):
        output = split_lines(shell.paste(block("docs/how-to/import-users.md", "import")))
        report = split_lines(block("docs/how-to/import-users.md", "report"))
        assert output[: len(report)] == report
        assert ["imported", "2"] in output
        assert ["Password", "bcrypt"] in output
        assert http_client.post("/auth/login", ada).expect()["user"]["id"] == 7

        shell.paste(block("docs/how-to/import-users.md", "export"))
        exported = [json.loads(line) for line in (tmp_path / "users.jsonl").read_text().splitlines()]
        assert [user["id"] for user in exported] == [7, 8]
        assert exported[0]["password"].startswith("$argon2id$")

        disable, enable = block("docs/how-to/import-users.md", "disable").splitlines()
        token = http_client.post("/auth/login", ada).expect()["token"]
        shell.paste(disable)
        http_client.get("/users/profile", token).expect(401)
        http_client.post("/auth/login", ada).expect(401)
        shell.paste(enable)
        http_client.post("/auth/login", ada).expect()


@pytest.mark.parametrize("application", SOURCE_TABLES)
def test_import_page_query_output_is_importable(
    sqlite_template: Path, tmp_path: Path, source_database: Engine, application: str
) -> None:
    cli = AdminCLI(f"sqlite:///{sqlite_template}", tmp_path)
    for row in (query_sqlite(application), query_mariadb(application, source_database)):
        result = cli.import_bytes(f"{row}\n".encode(), "users.jsonl", options=("--dry-run",))

        assert (result.exit_code, result.stderr) == (0, ""), row
        counts = [result.reported_count(label) for label in ("would import", "- verified", "- disabled")]
        assert counts == [1, 1, 0], row
        assert "- hash: none" not in result.stdout


def query_sqlite(application: str) -> str:
    table, user = SOURCE_TABLES[application]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {table}")
        connection.execute(f"INSERT INTO {table.split()[0]} VALUES ({', '.join('?' * len(user))})", user)
        [(row,)] = connection.execute(QUERIES[application]).fetchall()
    return str(row)


def query_mariadb(application: str, engine: Engine) -> str:
    table, user = SOURCE_TABLES[application]
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table}")
        placeholders = ", ".join(["%s"] * len(user))
        connection.exec_driver_sql(f"INSERT INTO {table.split()[0]} VALUES ({placeholders})", user)
        return str(connection.exec_driver_sql(QUERIES[application].rstrip(";\n")).scalar_one())


def split_lines(output: str) -> list[list[str]]:
    """Return the words of each line, regardless of the column widths."""
    return [line.split() for line in output.splitlines() if line.strip()]
