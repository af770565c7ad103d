"""Nothing set, nothing installed: a server in an empty folder."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.inside import together
from tests.journeys import leaks
from tests.journeys.processes import Place, Running
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import free_port

EMAIL = "grace@example.com"
SERVE = ("flaskauth", "serve")
FLASK_RUN = ("flask", "--app", "flaskauth", "run")


@contextmanager
def served(folder: Path, words: tuple[str, ...] = SERVE) -> Iterator[tuple[Running, Visitor]]:
    """The server of this folder, on a port of its own, and somebody at this machine who visits it."""
    port = free_port()
    with (
        Place(folder).start(*words, "--port", str(port), log=f"{port}.log") as server,
        closing(Visitor(port)) as visitor,
    ):
        yield server.wait_until(visitor.is_ready), visitor


@pytest.mark.parametrize("words", [SERVE, FLASK_RUN], ids=["serve", "flask run"])
def test_the_whole_journey_works_in_an_empty_folder(tmp_path: Path, words: tuple[str, ...]) -> None:
    with served(tmp_path, words) as (server, visitor):
        person = Traveller(visitor, visitor.code_for, EMAIL)
        person.go_all_the_way()

        assert server.end() in {0, -15}
        assert "Traceback" not in server.said
    assert not leaks.leaked(person.secrets, dict(leaks.files(tmp_path)))


def test_a_second_start_keeps_the_account_the_session_and_the_secret(tmp_path: Path) -> None:
    with served(tmp_path) as (server, visitor):
        person = Traveller(visitor, visitor.code_for, EMAIL)
        person.join()
        person.sign_in()
        keys = visitor.get("/.well-known/jwks.json").expect()
        server.end()
    secret = tmp_path / "instance" / "secret_key"
    kept = secret.read_text()
    assert secret.stat().st_mode & 0o777 == 0o600

    with served(tmp_path) as (_, person.visitor):
        person.refresh()
        person.sign_in()
        assert person.visitor.get("/.well-known/jwks.json").expect() == keys
    assert secret.read_text() == kept


def test_two_servers_started_at_once_in_one_folder_share_it(tmp_path: Path) -> None:
    with ExitStack() as stack:
        both = [partial(stack.enter_context, served(tmp_path)) for _ in range(2)]
        (_, one), (_, other) = together(both)
        keys = one.get("/.well-known/jwks.json").expect()
        assert len(keys["keys"]) == 1
        assert other.get("/.well-known/jwks.json").expect() == keys

        person = Traveller(one, one.code_for, EMAIL)
        person.join()
        person.sign_in()
        person.visitor = other
        person.refresh()
    assert {path.name for path in (tmp_path / "instance").glob("*secret*")} == {"secret_key"}


def test_a_server_that_is_told_to_end_while_it_starts_ends(tmp_path: Path) -> None:
    words = (*SERVE, "--port", str(free_port()), "--workers", "2")
    with Place(tmp_path).start(*words) as server:
        server.wait_until(lambda: len(server.children()) == 2)

        assert server.end() in {0, -15}
        assert "Traceback" not in server.said


def test_development_serves_this_machine_only(tmp_path: Path) -> None:
    said = Place(tmp_path).run(*SERVE, "--host", "0.0.0.0", expect=1)

    assert "FLASKAUTH_ENV=production" in said
    assert "Traceback" not in said
