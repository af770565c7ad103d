"""`flaskauth users create, list, set-password, verify, delete`, and the same commands as `flask auth`."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.support.inspect import query_all, single_event
from tests.support.users import PASSWORD, Mailbox, UserFactory, bearer
from tests.user_admin.helpers import AdminCLI, all_users, user_by_email, user_row

from flaskauth import mount
from flaskauth.cli.main import main
from flaskauth.core import clock
from flaskauth.core.observability import log
from flaskauth.mail.models import OutboxMail

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

EMAIL = "grace@example.com"
CREATE = ("create", EMAIL, "--first-name", "Grace", "--last-name", "Hopper")
NEW_PASSWORD = "nine copper lanterns"


def create(admin_cli: AdminCLI, *options: str, password: str = PASSWORD) -> dict[str, Any]:
    result = admin_cli.run(*CREATE, *options, "--json", stdin=f"{password}\n".encode())
    assert result.exit_code == 0, result.stderr
    user: dict[str, Any] = json.loads(result.stdout)
    return user


def templates(app: Flask) -> list[str]:
    return [mail.template for mail in query_all(app, select(OutboxMail).order_by(OutboxMail.id))]


def test_users_create_user_can_log_in(app: Flask, admin_cli: AdminCLI) -> None:
    user = create(admin_cli, "--country", "NG", "--locale", "fr")

    profile = user_by_email(app).login_ok()["user"]
    assert (profile["id"], profile["is_verified"], profile["country"]["code"]) == (user["id"], True, "NG")
    assert single_event(app, "user_created").user_id == user["id"]
    assert templates(app) == []


def test_users_create_closes_pending_registrations(app: Flask, admin_cli: AdminCLI) -> None:
    """Otherwise a code that was mailed before could still be used up, or be ambiguous."""
    users = UserFactory(app)
    verification_id = users.register(password=NEW_PASSWORD)
    code = users.mailbox.code(EMAIL)
    create(admin_cli)

    response = users.client.post("/auth/verify", json={"otp": code, "verification_id": verification_id})
    assert response.status_code == 401
    assert user_by_email(app).login(NEW_PASSWORD).status_code == 401
    user_by_email(app).login_ok()


@pytest.mark.parametrize(
    ("args", "password", "message"),
    [
        (CREATE, "password", "password: Is on the list of the most common passwords."),
        (CREATE, "short", "password: Must be at least 8 characters long."),
        (CREATE, "gracegrace", "password: Is too easy to guess."),
        (CREATE, "x" * 257, "password: Must be 8 to 256 characters long."),
        (CREATE, "", "password: Must be 8 to 256 characters long."),
        (("create", EMAIL, "--first-name", "<b>"), PASSWORD, "first_name: Contains characters"),
        ((*CREATE, "--country", "XX"), PASSWORD, "country: Unknown country."),
        ((*CREATE, "--locale", "not a language"), PASSWORD, "locale: "),
        (("create", "grace@", "--first-name", "Grace"), PASSWORD, "Not a valid email address."),
    ],
)
def test_users_create_invalid_value_is_rejected(
    app: Flask, admin_cli: AdminCLI, args: tuple[str, ...], password: str, message: str
) -> None:
    result = admin_cli.run(*args, stdin=f"{password}\n".encode())

    assert result.exit_code != 0
    assert message in result.stderr
    assert all_users(app) == []


def test_users_create_existing_email_is_rejected(app: Flask, admin_cli: AdminCLI) -> None:
    UserFactory(app).create_verified()
    result = admin_cli.run(*CREATE, stdin=f"{NEW_PASSWORD}\n".encode())

    assert (result.exit_code, "A user has this email address" in result.stderr) == (1, True)
    assert user_by_email(app).login(NEW_PASSWORD).status_code == 401


def test_users_list_shows_newest_first(app: Flask, admin_cli: AdminCLI) -> None:
    admin_cli.import_rows(*(user_row(f"user{n}@example.com", id=n) for n in range(1, 4)))

    rows = json.loads(admin_cli.run("list", "--limit", "2", "--json").stdout)
    assert [row["email"] for row in rows] == ["user3@example.com", "user2@example.com"]
    assert "password" not in " ".join(rows[0])
    table = admin_cli.run("list").stdout.splitlines()
    assert [line.split()[1] for line in table[1:]] == [f"user{n}@example.com" for n in (3, 2, 1)]


def test_users_set_password_revokes_sessions(app: Flask, admin_cli: AdminCLI) -> None:
    user = UserFactory(app).create_verified()
    token = user.login_ok()["token"]
    assert admin_cli.run("set-password", EMAIL, stdin=f"{NEW_PASSWORD}\nignored\n".encode()).exit_code == 0

    assert user.client.get("/users/profile", headers=bearer(token)).status_code == 401
    assert user.login(PASSWORD).status_code == 401
    assert user.login(NEW_PASSWORD).status_code == 200
    assert single_event(app, "password_set").user_id == all_users(app)[0].id
    assert "passwords/password_changed" in templates(app)


@pytest.mark.parametrize("password", ["password", "short", "", "x" * 257])
def test_users_set_password_weak_one_is_rejected(app: Flask, admin_cli: AdminCLI, password: str) -> None:
    user = UserFactory(app).create_verified()
    result = admin_cli.run("set-password", EMAIL, stdin=f"{password}\n".encode())

    assert (result.exit_code, result.stderr.startswith("Error: password: ")) == (1, True)
    assert user.login(PASSWORD).status_code == 200


def test_users_verify_imported_user_can_log_in(app: Flask, admin_cli: AdminCLI) -> None:
    create(admin_cli)
    [user] = all_users(app)
    admin_cli.import_rows(user_row("ada@example.com", verified=False, password=user.password_hash))
    ada = user_by_email(app, "ada@example.com")
    assert ada.login().status_code == 401

    assert json.loads(admin_cli.run("verify", ada.email, "--json").stdout) == {"changed": True}
    ada.login_ok()
    assert json.loads(admin_cli.run("verify", ada.email, "--json").stdout) == {"changed": False}
    assert single_event(app, "user_verified").user_id


def test_users_delete_schedules_and_can_be_cancelled(app: Flask, admin_cli: AdminCLI) -> None:
    user = UserFactory(app).create_verified()
    due_at = json.loads(admin_cli.run("delete", EMAIL, "--yes", "--json").stdout)["deletion_due_at"]
    again = json.loads(admin_cli.run("delete", EMAIL, "--yes", "--json").stdout)["deletion_due_at"]

    assert due_at == again > clock.now().isoformat()
    assert "account_deletion/deletion_scheduled" in templates(app)
    token = user.login_ok()["token"]
    assert user.client.get("/users/activity", headers=bearer(token)).status_code == 403
    assert user.client.post("/users/account/restore", headers=bearer(token)).status_code == 200


def test_users_delete_now_erases_the_user(app: Flask, admin_cli: AdminCLI) -> None:
    UserFactory(app).create_verified()
    assert admin_cli.run("delete", EMAIL, "--now", "--yes").exit_code == 0

    assert all_users(app) == []
    assert single_event(app, "account_erased").user_id
    assert Mailbox(app).wait(to=EMAIL)
    create(admin_cli)


def test_users_delete_without_confirmation_changes_nothing(app: Flask, admin_cli: AdminCLI) -> None:
    UserFactory(app).create_verified()

    assert admin_cli.run("delete", EMAIL, "--now", stdin=b"n\n").exit_code == 1
    assert len(all_users(app)) == 1


@pytest.mark.parametrize("command", [("set-password",), ("verify",), ("delete", "--yes"), ("delete", "--now", "--yes")])
def test_users_command_unknown_email_is_an_error(admin_cli: AdminCLI, command: tuple[str, ...]) -> None:
    result = admin_cli.run(command[0], "unknown@example.com", *command[1:], stdin=f"{PASSWORD}\n".encode())

    assert (result.exit_code, result.stderr) == (1, "Error: No user has this email address.\n")


def test_flask_auth_uses_the_database_of_the_app(make_app: MakeApp) -> None:
    """The settings of the application are used, not those of the environment."""
    server = make_app()
    host = Flask("shop")
    mount(host, server, "/accounts")
    UserFactory(server).create_verified()

    for app in (server, host):
        result = app.test_cli_runner().invoke(args=["auth", "users", "list", "--json"])
        log.configure()
        assert result.exit_code == 0, result.output
        assert [user["email"] for user in json.loads(result.stdout)] == [EMAIL]


def test_flask_auth_lists_all_commands_but_serve(make_app: MakeApp) -> None:
    host = Flask("shop")
    mount(host, make_app(), "/accounts")

    commands = re.findall(r"^  ([a-z]+) ", host.test_cli_runner().invoke(args=["auth", "--help"]).output, re.MULTILINE)
    assert commands == sorted({*main.commands} - {"serve"})
    assert "auth " in host.test_cli_runner().invoke(args=["--help"]).output


def test_flask_auth_keeps_a_command_of_the_app(make_app: MakeApp) -> None:
    host = Flask("shop")
    host.cli.command("auth")(lambda: print("own command"))
    mount(host, make_app(), "/accounts")

    assert host.test_cli_runner().invoke(args=["auth"]).output == "own command\n"
