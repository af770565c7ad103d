"""The migration page: the tutorial's `.env` starts, and its calls return the responses that the page shows."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.docs.code_blocks import block
from tests.docs.response_match import matches_example
from tests.docs.shell import Shell, serve_folder
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import MariaDB, free_port
from tests.support import tutorial

from flaskauth.settings import Settings


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """Start a server with only the settings that the page adds."""
    settings = parse_settings(block("docs/how-to/migrate-from-the-tutorial.md", "add"))
    with serve_folder(tmp_path_factory.mktemp("tutorial"), **settings) as shell:
        yield shell


@pytest.fixture
def database(mariadb: MariaDB) -> Iterator[str]:
    """Create the database of the page, with a unique name."""
    name = f"page_{secrets.token_hex(4)}"
    mariadb.execute(block("docs/how-to/migrate-from-the-tutorial.md", "database").replace("flaskauth", name))
    mariadb.execute(f"GRANT ALL ON `{name}`.* TO app@'%'")
    yield mariadb.url(name)
    mariadb.drop(name)


def test_tutorial_page_calls_return_the_shown_responses(shell: Shell) -> None:
    registered, verified, login, refreshed, message, user, rejected = shell.paste(
        block("docs/how-to/migrate-from-the-tutorial.md", "register"),
        block("docs/how-to/migrate-from-the-tutorial.md", "verify"),
        block("docs/how-to/migrate-from-the-tutorial.md", "login"),
        block("docs/how-to/migrate-from-the-tutorial.md", "refresh"),
        block("docs/how-to/migrate-from-the-tutorial.md", "edit"),
        block("docs/how-to/migrate-from-the-tutorial.md", "invalid"),
    ).splitlines()

    assert matches_example(
        json.loads(registered), json.loads(block("docs/how-to/migrate-from-the-tutorial.md", "registered"))
    )
    assert matches_example(
        json.loads(verified), json.loads(block("docs/how-to/migrate-from-the-tutorial.md", "verified"))
    )
    assert matches_example(
        json.loads(login), json.loads(block("docs/how-to/migrate-from-the-tutorial.md", "signed-in"))
    )
    assert matches_example(
        json.loads(refreshed), json.loads(block("docs/how-to/migrate-from-the-tutorial.md", "refreshed"))
    )
    assert json.loads(refreshed)["refresh_token"] == json.loads(login)["refresh_token"]
    assert message == "Profile Details"
    assert "'name': 'Nigeria'" in user
    assert matches_example(
        json.loads(rejected), json.loads(block("docs/how-to/migrate-from-the-tutorial.md", "rejected"))
    )


def test_tutorial_page_dotenv_starts_unchanged(tmp_path: Path, database: str) -> None:
    port = free_port()
    env = tutorial.dotenv_text(database, port) + block("docs/how-to/migrate-from-the-tutorial.md", "add")
    (tmp_path / ".env").write_text(env, encoding="utf-8")
    workspace = Workspace(tmp_path, is_forked=False)  # the reloader of `flask run` starts its own command again
    migrate, run = (line.split() for line in block("docs/how-to/migrate-from-the-tutorial.md", "start").splitlines())

    workspace.run(*migrate)
    with workspace.start(*run, "--port", str(port)) as server, closing(HttpClient(port)) as http_client:
        server.wait_until(http_client.is_ready)
        assert http_client.get("/hello").expect() == {"message": "Hello It Works"}

    for warning in ("SECRET_KEY: is a published value", "REFRESH_TOKEN_ROTATION: "):
        assert warning in server.output


def test_tutorial_page_production_settings_are_valid(tmp_path: Path, database: str) -> None:
    durations = r"^(JWT|REFRESH_TOKEN)_DURATION=.*\n"
    env = re.sub(durations, "", tutorial.dotenv_text(database), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(
        env + block("docs/how-to/migrate-from-the-tutorial.md", "production"), encoding="utf-8"
    )

    settings = Settings.load({}, tmp_path / ".env")

    assert (settings.flaskauth_env, settings.public_url) == ("production", "https://auth.example.com")
    assert (settings.jwt_duration, settings.warnings()) == (10, [])


def parse_settings(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())
