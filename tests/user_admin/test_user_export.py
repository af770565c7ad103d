"""Exported users can be imported again without any difference."""

import json

from flask import Flask
from sqlalchemy import delete
from tests.support.inspect import execute_statement
from tests.support.users import PASSWORD, UserFactory
from tests.user_admin.helpers import AdminCLI, all_users, user_by_email, user_row
from tests.user_admin.sample_hashes import SAMPLES

from flaskauth.accounts.models import User

HASH = SAMPLES["phpass P"]


def user_table(app: Flask) -> list[tuple[object, ...]]:
    names = [column.key for column in User.__mapper__.column_attrs if column.key not in {"last_login_at", "updated_at"}]
    return [tuple(getattr(user, name) for name in names) for user in all_users(app)]


def test_export_and_import_round_trip_users(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified(country="NG", first_name='Grâce "G" 王')
    admin_cli.import_rows(
        user_row("ada@example.com", id=6, verified=False, last_name="", disabled_at="2024-02-01T00:00:00.123456Z"),
        user_row("tim@example.com", id=7, password=HASH, deletion_due_at="2030-02-01T00:00:00Z"),
    )
    before = user_table(app)
    assert admin_cli.run("export", "all.jsonl", "--with-hashes").exit_code == 0
    assert (admin_cli.folder / "all.jsonl").stat().st_mode & 0o777 == 0o600

    execute_statement(app, delete(User))
    assert admin_cli.run("import", "all.jsonl").stderr == ""
    assert user_table(app) == before
    assert user_by_email(app).login(PASSWORD).status_code == 200


def test_export_omits_hashes_by_default(admin_cli: AdminCLI) -> None:
    admin_cli.import_rows(user_row(password=HASH), user_row("ada@example.com", id=6))

    output = admin_cli.run("export").stdout
    assert "password" not in output
    assert HASH not in output
    assert [row["password"] for row in admin_cli.export_rows("--with-hashes")] == [HASH, None]


def test_export_lists_users_once_ordered_by_id(admin_cli: AdminCLI) -> None:
    admin_cli.import_rows(*(user_row(f"p{number}@example.com", id=number) for number in range(1, 2102)))

    assert [row["id"] for row in admin_cli.export_rows()] == list(range(1, 2102))


def test_export_to_unwritable_file_reports_error(admin_cli: AdminCLI) -> None:
    result = admin_cli.run("export", "no/such/folder.jsonl")

    assert (result.exit_code, "No such file or directory" in result.stderr) == (1, True)


def test_export_without_users_is_empty(admin_cli: AdminCLI) -> None:
    assert (admin_cli.run("export").exit_code, admin_cli.run("export").stdout) == (0, "")
    assert json.loads("[]") == admin_cli.export_rows()
