"""`flaskauth.testing`: the documented tests of a sample application pass in their own pytest run."""

from pathlib import Path

from tests.docs.code_blocks import block
from tests.e2e.processes import Workspace

PAGE_FILES = {
    "shop.py": block("docs/how-to/test-your-application.md", "app"),
    "conftest.py": block("docs/how-to/test-your-application.md", "conftest"),
    "test_shop.py": block("docs/how-to/test-your-application.md", "tests"),
}
EXTENDED_TESTS = """
import pytest
from flask import Flask

from flaskauth import Settings, User, auth_required, create_app

PASSWORD = "seven green kettles"


@pytest.fixture
def app(auth_settings: Settings) -> Flask:
    app = create_app(auth_settings)

    @app.get("/me")
    @auth_required
    def me(user: User) -> dict[str, object]:
        return {"email": user.email, "country": user.country}

    @app.get("/broken")
    def broken() -> str:
        raise LookupError("text of the error")

    return app


def test_user_with_password_logs_in(auth):
    user = auth.create_user("Ada@Example.com", PASSWORD, first_name="Ada")
    response = auth.client().post("/auth/login", json={"email": "ada@example.com", "password": PASSWORD})

    assert response.get_json()["user"]["id"] == user.id


def test_two_clients_are_two_users(auth):
    grace, ada = (auth.client(auth.create_user(f"{name}@example.com")) for name in ("grace", "ada"))

    assert [client.get("/me").get_json()["email"][:3] for client in (grace, ada, grace)] == ["gra", "ada", "gra"]


def test_each_test_has_an_empty_database(auth):
    auth.create_user("grace@example.com")


def test_each_test_has_an_empty_database_again(auth):
    auth.create_user("grace@example.com")
    assert auth.mails() == []


def test_exception_fails_the_test(auth):
    with pytest.raises(LookupError, match="text of the error"):
        auth.client().get("/broken")


def test_logs_appear_in_caplog(auth, caplog):
    caplog.set_level("INFO")
    auth.client().get("/hello")
    assert "route=/hello" in caplog.text
"""


def test_testing_page_tests_pass_in_their_own_run(tmp_path: Path) -> None:
    """The tests of the page, of an application that mounts flaskauth, and those of one that extends it."""
    for name, text in PAGE_FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "test_extended.py").write_text(EXTENDED_TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    [command] = block("docs/how-to/test-your-application.md", "run").splitlines()

    # Without the plugins that happen to be installed, such as that of schemathesis, which takes a second to import.
    settings = {"MAIL_SERVER": "mail.example.com", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    output = Workspace(tmp_path, settings).run("python", "-m", command)
    assert "10 passed" in output
