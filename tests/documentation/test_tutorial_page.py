"""The page for those who come from the tutorial: its `.env` starts, and a client goes through every call shown."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests import tutorial
from tests.documentation.answers import alike
from tests.documentation.blocks import block
from tests.documentation.shells import Shell, served
from tests.journeys.processes import Place
from tests.journeys.visitors import Visitor
from tests.servers import MariaDB, free_port

from flaskauth.settings import Settings


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A server with nothing set but the line that the page adds."""
    added = settings_in(block("docs/tutorial.md", "add"))
    with served(tmp_path_factory.mktemp("tutorial"), **added) as found:
        yield found


@pytest.fixture
def database(mariadb: MariaDB) -> Iterator[str]:
    """The database of the page, under a name that no other test has."""
    name = f"page_{secrets.token_hex(4)}"
    mariadb.execute(block("docs/tutorial.md", "database").replace("flaskauth", name))
    mariadb.execute(f"GRANT ALL ON `{name}`.* TO app@'%'")
    yield mariadb.url(name)
    mariadb.drop(name)


def test_the_calls_answer_as_the_page_shows(shell: Shell) -> None:
    registered, verified, welcome, refreshed, message, user, mistaken = shell.paste(
        block("docs/tutorial.md", "register"),
        block("docs/tutorial.md", "verify"),
        block("docs/tutorial.md", "login"),
        block("docs/tutorial.md", "refresh"),
        block("docs/tutorial.md", "edit"),
        block("docs/tutorial.md", "mistake"),
    ).splitlines()

    assert alike(json.loads(registered), json.loads(block("docs/tutorial.md", "registered")))
    assert alike(json.loads(verified), json.loads(block("docs/tutorial.md", "verified")))
    assert alike(json.loads(welcome), json.loads(block("docs/tutorial.md", "welcome")))
    assert alike(json.loads(refreshed), json.loads(block("docs/tutorial.md", "refreshed")))
    assert json.loads(refreshed)["refresh_token"] == json.loads(welcome)["refresh_token"]
    assert message == "Profile Details"
    assert "'name': 'Nigeria'" in user
    assert alike(json.loads(mistaken), json.loads(block("docs/tutorial.md", "mistaken")))


def test_the_tutorials_env_starts_as_it_stands(tmp_path: Path, database: str) -> None:
    port = free_port()
    env = tutorial.env(database, port) + block("docs/tutorial.md", "add")
    (tmp_path / ".env").write_text(env, encoding="utf-8")
    place = Place(tmp_path)
    migrate, run = (line.split() for line in block("docs/tutorial.md", "start").splitlines())

    place.run(*migrate)
    with place.start(*run, "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        assert visitor.get("/hello").expect() == {"message": "Hello It Works"}

    for warning in ("SECRET_KEY: has been published", "REFRESH_ROTATION: "):
        assert warning in server.said


def test_with_the_lines_that_the_page_changes_it_is_fit_for_others(tmp_path: Path, database: str) -> None:
    durations = r"^(JWT|REFRESH_TOKEN)_DURATION=.*\n"
    env = re.sub(durations, "", tutorial.env(database), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(env + block("docs/tutorial.md", "production"), encoding="utf-8")

    found = Settings.load({}, tmp_path / ".env")

    assert (found.flaskauth_env, found.public_url) == ("production", "https://auth.example.com")
    assert (found.jwt_duration, found.warnings()) == (10, [])


def settings_in(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())
