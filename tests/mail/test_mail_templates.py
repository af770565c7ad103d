"""Templates of the operator replace those of the package, in a folder and in an application."""

from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Blueprint, Flask
from tests.conftest import MakeApp
from tests.mail.conftest import PRODUCTION
from tests.mail.test_mail_rendering import CODE, make_mail
from tests.support.users import Mailbox, UserFactory

from flaskauth import mount
from flaskauth.cli.main import main
from flaskauth.core.http.app import AuthFlask
from flaskauth.mail import template_check
from flaskauth.mail.rendering import render

SUBJECT = "registration/en/verify_email.subject.txt"
BROKEN_FILES = {
    "registration/en/verify_email.subject.txt": ("{% if %}", "verify_email.subject.txt: line 1: Expected"),
    "registration/fr/verify_email.txt": ("{{ nope }}\n{{ code }}\n", "verify_email (fr): 'nope' is undefined"),
    "registration/pt/verify_email.txt": ("Code: {{ code }}\n", "verify_email (pt): the code is not alone on a line"),
    "passwords/sw/reset_code.html": ("<p></p>", "reset_code (sw): the code is missing in the HTML"),
    "login/en/new_device.txt": ("Hello\n", "new_device (en): the link is not alone on a line"),
    "login/ar/new_device.subject.txt": (" \n", "new_device (ar): the subject is empty"),
    "registration/de/verify_email.txt": ("{{ code }}\n", "verify_email (de): .subject.txt and .html is missing"),
    "registration/en/verify_mail.txt": ("{{ code }}", "verify_mail.txt: replaces no template"),
    "mail/base.html": ('{% extends "nope.html" %}', "(en): there is no template nope.html"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "templates/flaskauth"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def subject_of(app: Flask, locale: str = "en") -> str:
    with app.app_context():
        return render(make_mail(locale=locale), CODE).parts.subject


def run(folder: Path, *args: str) -> Result:
    env = {"FLASKAUTH_ENV": "development", "MAIL_TEMPLATE_FOLDER": str(folder)}
    return CliRunner().invoke(main, ["templates", *args], env=env)


def test_template_folder_replaces_single_file(make_app: MakeApp, folder: Path) -> None:
    write(folder, {SUBJECT: "Welcome to {{ app_name }}"})
    app = make_app(**PRODUCTION, MAIL_TEMPLATE_FOLDER=str(folder))

    assert (subject_of(app), subject_of(app, "fr")[:12]) == ("Welcome to flaskauth", "Vérification")
    with app.app_context():
        assert "Hello Grace," in render(make_mail(), CODE).parts.text


def test_default_template_folder_is_in_working_directory(make_app: MakeApp, folder: Path) -> None:
    write(folder, {SUBJECT: "Welcome"})
    with chdir(folder.parents[1]):
        assert subject_of(make_app()) == "Welcome"


def test_templates_of_host_application_replace_builtin(make_app: MakeApp, folder: Path) -> None:
    write(folder, {SUBJECT: "Welcome to the shop"})
    server, host = make_app(), Flask("shop", template_folder=str(folder.parent))
    mount(host, server, "/accounts")

    UserFactory(server).register()
    assert UserFactory(server).mailbox.wait()[0]["subject"] == "Welcome to the shop"


def test_templates_of_blueprint_replace_builtin(make_app: MakeApp, folder: Path) -> None:
    write(folder, {SUBJECT: "Welcome to the orders"})
    app = make_app()
    app.register_blueprint(Blueprint("orders", __name__, template_folder=str(folder.parent)))

    assert subject_of(app) == "Welcome to the orders"


def test_template_folder_precedes_application(make_app: MakeApp, folder: Path, tmp_path: Path) -> None:
    write(folder, {SUBJECT: "Of the application"})
    write(tmp_path / "own", {SUBJECT: "Of the folder"})
    server = make_app(MAIL_TEMPLATE_FOLDER=str(tmp_path / "own"))
    mount(Flask("shop", template_folder=str(folder.parent)), server, "/accounts")

    assert subject_of(server) == "Of the folder"


def test_template_can_extend_builtin_base(make_app: MakeApp, folder: Path) -> None:
    base = '{% extends "builtin/mail/base.html" %}{% block footer %}Our own footer{% endblock %}'
    write(folder, {"mail/base.html": base})
    with make_app(MAIL_TEMPLATE_FOLDER=str(folder)).app_context():
        html = render(make_mail("registration/already_registered"), CODE).parts.html

    assert "<h1" in html
    assert "You already have an account" in html


def test_new_language_is_used_for_registration(make_app: MakeApp, folder: Path) -> None:
    assert run(folder, "copy", "registration/verify_email", "--language", "de").exit_code == 0
    write(folder, {"registration/de/verify_email.subject.txt": "Konto bestätigen: {{ code }}"})
    users = UserFactory(make_app(MAIL_TEMPLATE_FOLDER=str(folder)))
    headers = {"Accept-Language": "de-CH"}
    form = {"email": "grace@example.com", "password": "seven green kettles", "first_name": "G", "last_name": ""}
    assert users.client.post("/auth/register", json=form, headers=headers).status_code == 200

    assert users.mailbox.wait()[0]["subject"].startswith("Konto bestätigen: ")


def test_copied_templates_are_valid_and_kept(folder: Path) -> None:
    names = ("registration/verify_email", "passwords/reset_code", "mail/base.html")
    assert run(folder, "copy", *names).output.count("copied ") == 31
    (folder / SUBJECT).write_text("Mine: {{ code }}")

    assert "exists" in run(folder, "copy", names[0], "--language", "en").output
    assert (folder / SUBJECT).read_text() == "Mine: {{ code }}"
    assert run(folder, "check").output == "31 replaced templates are valid.\n"
    with chdir(folder.parents[1]):
        assert "templates/flaskauth/mail/base.html" in run(Path("templates/flaskauth"), "list").output


@pytest.mark.parametrize(
    ("command", "valid"), [(["templates", "check"], "1 replaced"), (["doctor"], "1 replaced mail")]
)
def test_flask_auth_checks_templates_of_the_app(
    make_app: MakeApp, folder: Path, command: list[str], valid: str
) -> None:
    write(folder, {SUBJECT: "Welcome: {{ code }}"})
    host = Flask("shop", template_folder=str(folder.parent))
    mount(host, make_app(), "/accounts")

    assert f"{valid} template is valid" in host.test_cli_runner().invoke(args=["auth", *command]).output


def test_copy_of_unknown_template_fails(folder: Path) -> None:
    result = run(folder, "copy", "registration/nope")

    assert (result.exit_code, folder.exists()) == (1, False)
    assert "There is no template registration/nope." in result.output


def test_check_without_replaced_templates_passes(folder: Path) -> None:
    assert run(folder, "check").output == "No template is replaced.\n"


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_check_reports_broken_template(make_app: MakeApp, folder: Path, name: str) -> None:
    text, message = BROKEN_FILES[name]
    write(folder, {name: text})
    app: AuthFlask = make_app(MAIL_TEMPLATE_FOLDER=str(folder))  # type: ignore[assignment]
    with app.app_context():
        errors = template_check.find_errors()

    assert message in errors[0]


def test_mailbox_shows_the_error_of_a_broken_template(make_app: MakeApp, folder: Path) -> None:
    write(folder, {SUBJECT: "Welcome"})
    UserFactory(make_app(MAIL_TEMPLATE_FOLDER=str(folder))).create_verified()
    write(folder, {SUBJECT: "{{ nope }}"})

    mailbox = Mailbox(make_app(MAIL_TEMPLATE_FOLDER=str(folder)))
    [mail] = mailbox.all()

    assert mail["subject"] == "registration/verify_email cannot be rendered"
    assert "'nope' is undefined" in mail["text"]
    assert mailbox.client.get(f"/dev/mailbox/{mail['id']}.eml").status_code == 200


def test_check_command_exits_1_on_error(folder: Path) -> None:
    write(folder, {SUBJECT: "{{ nope }}"})

    result = run(folder, "check")

    assert result.exit_code == 1
    assert result.output == "Error: registration/verify_email (en): 'nope' is undefined\n"
