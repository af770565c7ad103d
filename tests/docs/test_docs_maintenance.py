"""The maintenance page: upgrade a node; back up the database and restore it to a point in time."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text
from tests.docs.code_blocks import block, command_line_options
from tests.docs.shell import Shell, register_grace, serve_workspace
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import MariaDB
from tests.servers.binaries import find_binaries
from tests.support.fork_server import script_folder
from tests.support.users import GRACE

from flaskauth.migrations import head
from flaskauth.settings import with_driver

CREDENTIALS = {name: GRACE[name] for name in ("email", "password")}
SETTINGS = {"FLASKAUTH_ENV": "development", "SECRET_KEY": "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"}


def test_maintenance_page_upgrade_waits_for_readiness(tmp_path: Path) -> None:
    with serve_workspace(Workspace(tmp_path)) as (shell, _http_client):
        output = shell.paste(
            block("docs/operations/maintenance.md", "ready").replace("   ", "").replace(":8000", ":5000")
        )

    assert '"ready":true' in output


def test_maintenance_page_migrate_shows_plan_first(tmp_path: Path) -> None:
    (tmp_path / "migrations_url").write_text(f"sqlite:///{tmp_path}/test.db")
    script = block("docs/operations/maintenance.md", "migrate").replace("   cd", "cd").replace("   SQL", "SQL")
    output = run_block(Shell(Workspace(tmp_path, SETTINGS), 0), script)

    assert "is at revision none" in output
    assert f"is at revision {head()}." in output


@pytest.fixture
def database(tmp_path: Path) -> Iterator[MariaDB]:
    """Start MariaDB with a binary log, and configure its clients."""
    server = MariaDB(*command_line_options(block("docs/operations/maintenance.md", "binlog")))
    try:
        server.start()
        server.create("flaskauth")
        (tmp_path / ".my.cnf").write_text(f"[client]\nuser=root\nsocket={server.socket}\n")
        yield server
    finally:
        server.close()


def test_maintenance_page_restore_revokes_every_session(database: MariaDB, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {**SETTINGS, "SQLALCHEMY_DATABASE_URI": database.url("flaskauth")})
    (tmp_path / "migrations_url").write_text(database.url("flaskauth"))
    workspace.run("flaskauth", "db", "upgrade")
    with serve_workspace(workspace) as (shell, http_client):
        run_block(shell, block("docs/operations/maintenance.md", "backup"))
        tokens = register_and_login(http_client)
    time.sleep(2)  # the binary log has a resolution of one second
    point = shell.paste("date '+%Y-%m-%d %H:%M:%S'").strip()
    time.sleep(1)
    execute_sql(database, "DELETE FROM users")

    run_block(shell, block("docs/operations/maintenance.md", "restore"))
    file, position = parse_binlog_position(run_block(shell, block("docs/operations/maintenance.md", "position")))
    log = f"{database.home}/data/{file}"
    replacements = {"1234": position, "2026-01-10 16:43:00": point, "/var/lib/mysql/binlog.000007": log}
    run_block(shell, block("docs/operations/maintenance.md", "point"), replacements)
    output = run_block(shell, block("docs/operations/maintenance.md", "after"))

    assert "1 sessions were revoked" in output  # the session that was created after the backup
    with serve_workspace(workspace) as (_shell, http_client):
        assert http_client.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401
        assert http_client.get("/users/profile", tokens["token"]).status == 401
        http_client.post("/auth/login", CREDENTIALS).expect()


def register_and_login(http_client: HttpClient) -> Mapping[str, str]:
    register_grace(http_client)
    tokens: Mapping[str, str] = http_client.post("/auth/login", CREDENTIALS).expect()
    return tokens


def run_block(shell: Shell, script: str, replacements: Mapping[str, str] | None = None) -> str:
    """Run a block of the page without systemd services and without the system user."""
    local = {
        "systemctl": ": systemctl",
        "runuser -u flaskauth -- ": "",
        "/opt/flaskauth/venv/bin": str(script_folder()),
        "/etc/flaskauth/": f"{shell.workspace.folder}/",
    }
    for original, replacement in {**local, **(replacements or {})}.items():
        script = script.replace(original, replacement)
    return shell.paste(client_path_script(), script)


def client_path_script() -> str:
    """Return a script that adds the MariaDB clients to PATH."""
    binaries = find_binaries()
    libraries = binaries.environment.get("LD_LIBRARY_PATH", "")
    return f'export PATH="$PATH:{binaries.mariadb_dump.parent}" LD_LIBRARY_PATH="{libraries}"'


def parse_binlog_position(output: str) -> tuple[str, str]:
    file, position = (part.partition("=")[2].strip(" ';\n") for part in output.split(","))
    return file, position


def execute_sql(database: MariaDB, statement: str) -> None:
    with create_engine(with_driver(database.url("flaskauth")), poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))
