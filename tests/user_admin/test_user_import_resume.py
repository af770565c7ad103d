"""An import that is killed and started again ends with the same table as an uninterrupted import."""

import secrets
from pathlib import Path

import pytest
from tests.servers import MariaDB
from tests.user_admin.large_import import import_database, kill_halfway, start_import, table_checksum, write_csv

from flaskauth.user_admin.importer import BATCH_SIZE

USER_COUNT = 2 * BATCH_SIZE


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    write_csv(tmp_path / "users.csv", USER_COUNT)
    return tmp_path / "users.csv"


def test_import_resumes_after_kill(mariadb: MariaDB, csv_file: Path) -> None:
    with import_database(mariadb, f"uninterrupted_{secrets.token_hex(4)}", csv_file.parent) as (workspace, engine):
        assert start_import(workspace, csv_file).wait(60) == 0
        uninterrupted = table_checksum(engine)

    with import_database(mariadb, f"resumed_{secrets.token_hex(4)}", csv_file.parent) as (workspace, engine):
        imported_before_kill = kill_halfway(workspace, engine, csv_file, USER_COUNT)
        assert start_import(workspace, csv_file).wait(60) == 0
        assert imported_before_kill == USER_COUNT // 2
        assert table_checksum(engine) == uninterrupted


def test_concurrent_imports_of_one_file_agree(mariadb: MariaDB, csv_file: Path) -> None:
    with import_database(mariadb, f"twice_{secrets.token_hex(4)}", csv_file.parent) as (workspace, engine):
        imports = [start_import(workspace, csv_file) for _ in range(2)]
        assert [process.wait(60) for process in imports] == [0, 0]
        assert table_checksum(engine).startswith(f"{USER_COUNT} users")
