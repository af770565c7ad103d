"""The commands that operators type: what they do, and what they say when they cannot."""

import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.conftest import databases
from tests.journeys.processes import Place
from tests.journeys.travellers import Traveller
from tests.journeys.visitors import Visitor
from tests.servers import MariaDB, SqlServer, free_port

from flaskauth import migrations

CLONE = Path(__file__).parents[2]
MIGRATIONS = "src/flaskauth/migrations"
EMAIL = "grace@example.com"
SECRET, ANOTHER = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
COMMANDS = {
    "serve": ("flaskauth", "serve"),
    "flask run": ("flask", "--app", "flaskauth", "run"),
    "alembic": ("alembic", "-c", str(CLONE / "alembic.ini"), "upgrade", "head"),
    "celery": ("celery", "-A", "flaskauth.celery", "worker", "--loglevel=INFO"),
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, {"SECRET_KEY": SECRET})


@pytest.fixture(params=databases())
def clone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """What Alembic needs of a clone, with an empty database."""
    shutil.copy(CLONE / "alembic.ini", tmp_path)
    shutil.copytree(CLONE / MIGRATIONS, tmp_path / MIGRATIONS)
    if request.param == "sqlite":
        yield Place(tmp_path)
        return
    server: SqlServer = request.getfixturevalue(request.param)
    name = f"commands_{secrets.token_hex(4)}"
    server.create(name)
    yield Place(tmp_path, {"SQLALCHEMY_DATABASE_URI": server.url(name), "FLASKAUTH_ENV": "development"})
    server.drop(name)


@contextmanager
def served(place: Place) -> Iterator[Visitor]:
    """The place's server, and somebody who visits it from this machine."""
    port = free_port()
    with place.start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_until(visitor.is_ready)
        yield visitor


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_fault_of_the_settings_is_told_at_once_in_words(tmp_path: Path, words: tuple[str, ...]) -> None:
    faulty = {"FLASKAUTH_ENV": "production", "JWT_DURATION": "soon", "FLASKAUTH_TYPO": "1", "PUBLIC_URL": "ftp://x"}

    said = Place(tmp_path, faulty).run(*words, expect=None)

    for name in ("SECRET_KEY", "MAIL_SERVER", "JWT_DURATION", "FLASKAUTH_TYPO", "PUBLIC_URL"):
        assert f"- {name}: " in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_worker_without_redis_says_what_to_set(place: Place) -> None:
    said = place.run(*COMMANDS["celery"], expect=None)

    assert "Set REDIS_URL, such as redis://" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("dotenv", "issuer"),
    [
        ("", "http://localhost:{port}"),
        ("PUBLIC_URL=http://localhost:5000", "http://localhost:5000"),
        ("PUBLIC_URL_FILE=url", "https://from-a-file.example.com"),
        ("SERVER_NAME=named.example.com", "https://named.example.com"),
    ],
)
def test_the_issuer_is_what_the_settings_say_else_where_it_serves(place: Place, dotenv: str, issuer: str) -> None:
    (place.folder / ".env").write_text(dotenv)
    (place.folder / "url").write_text("https://from-a-file.example.com")
    with served(place) as visitor:
        [server] = visitor.get("/openapi.json").expect()["servers"]

    assert server["url"] == issuer.format(port=visitor.port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_told_in_words(place: Place, host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        port = str(taken.getsockname()[1])
        said = place.run("flaskauth", "serve", "--host", host, "--port", port, expect=1)

    assert f"port {port}: Address already in use. Choose another with --host and --port." in said
    assert "Traceback" not in said


def test_a_database_that_is_not_there_yet_is_told_in_words(place: Place) -> None:
    said = place.run("flaskauth", "keys", "list", expect=1)

    assert "flaskauth db upgrade" in said
    assert "Traceback" not in said


def test_a_server_without_a_schema_says_what_to_do_and_serves_once_it_is_there(place: Place, mariadb: MariaDB) -> None:
    name, port = f"empty_{secrets.token_hex(4)}", free_port()
    mariadb.create(name)
    place = place.having(SQLALCHEMY_DATABASE_URI=mariadb.url(name), FLASKAUTH_ENV="development")
    with place.start("flaskauth", "serve", "--port", str(port)) as server, closing(Visitor(port)) as visitor:
        server.wait_for("not ready:").wait_for('"job_failed"')
        assert "flaskauth db upgrade" in server.said
        wrong = {"email": EMAIL, "password": "quarrelsome blue ladders"}
        assert visitor.post("/auth/login", wrong).expect(503)["code"] == "unavailable"
        place.run("flaskauth", "db", "upgrade")
        server.wait_until(visitor.is_ready)
        visitor.post("/auth/login", wrong).expect(401)
        assert server.said.count('"mail.sweep"') == 1
    mariadb.drop(name)


def test_the_very_first_key_signs_now(place: Place) -> None:
    place.run("flaskauth", "db", "upgrade")

    assert "signs now." in place.run("flaskauth", "keys", "rotate")
    assert "signs in an hour." in place.run("flaskauth", "keys", "rotate")


@pytest.mark.parametrize("words", [("db", "upgrade"), ("keys", "list"), ("mail", "list")], ids=" ".join)
def test_a_database_that_is_away_is_told_in_words(place: Place, words: tuple[str, ...]) -> None:
    away = place.having(
        SQLALCHEMY_DATABASE_URI=f"mysql://app:hunter2@127.0.0.1:{free_port()}/x", FLASKAUTH_ENV="development"
    )

    said = away.run("flaskauth", *words, expect=1)

    assert re.search(r"The database says: 200[23]: Can't connect to ", said)
    assert "Does it run, and is SQLALCHEMY_DATABASE_URI right? flaskauth doctor looks closer." in said
    assert "Traceback" not in said
    assert "hunter2" not in said


def test_an_upgrade_says_where_the_database_stands_whatever_was_asked(place: Place) -> None:
    assert "is at revision 0001." in place.run("flaskauth", "db", "upgrade", "--to", "0001")
    assert "Can't locate revision" in place.run("flaskauth", "db", "upgrade", "--to", "nothing", expect=1)
    newest = place.run("flaskauth", "db", "upgrade")

    assert place.run("flaskauth", "db", "upgrade", "--to", "0001") == newest


def test_a_key_is_rotated_with_an_hour_for_others_to_read_it(place: Place) -> None:
    with served(place) as visitor:
        [first] = _known(visitor)
        coming = _made(place.run("flaskauth", "keys", "rotate"))
        assert _keys(place) == [first, coming]

    with served(place) as visitor:
        assert _known(visitor) == {first, coming}


def test_tokens_of_a_leaked_key_are_refused(place: Place) -> None:
    """Within a minute, in which processes look again; a restart stands for it."""
    place = place.having(PUBLIC_URL="http://localhost:5000")
    with served(place) as visitor:
        person = Traveller(visitor, visitor.code_for, EMAIL)
        person.join()
        person.sign_in()
        leaked = person.token
        fresh = _made(place.run("flaskauth", "keys", "rotate", "--now"))

    with served(place) as visitor:
        assert _known(visitor) == {fresh}
        person.visitor = visitor
        assert visitor.get("/users/profile", leaked).expect(401)["code"] == "invalid_token"
        person.refresh()
        visitor.get("/users/profile", person.token).expect()


def test_a_changed_secret_is_refused_until_the_old_one_is_named(place: Place) -> None:
    with served(place) as visitor:
        person = Traveller(visitor, visitor.code_for, EMAIL)
        person.join()
        person.sign_in()
        kept = _known(visitor)

    changed = place.having(SECRET_KEY=ANOTHER)
    for words in ((*COMMANDS["serve"], "--port", str(free_port())), ("flaskauth", "keys", "rotate")):
        said = changed.run(*words, expect=1)
        assert said.count("SECRET_KEY_FALLBACKS") == 1
        assert "Traceback" not in said

    with served(changed.having(SECRET_KEY_FALLBACKS=SECRET)) as visitor:
        assert _known(visitor) == kept
        person.visitor = visitor
        person.refresh()


def test_migrations_go_up_once_and_know_every_table(clone: Place) -> None:
    for _ in range(2):
        assert f" is at revision {migrations.head()}." in clone.run("flaskauth", "db", "upgrade")

    by_hand = _revision(clone, "hats")
    clone.run("alembic", "upgrade", "head")
    found = _revision(clone, "nothing", "--autogenerate")

    assert 'revision = "' in by_hand
    assert [line.strip() for line in found.splitlines() if "op." in line] == []


def _revision(clone: Place, title: str, *more: str) -> str:
    """What stands in the file that `alembic revision` wrote."""
    clone.run("alembic", "revision", *more, "-m", title)
    [written] = (clone.folder / MIGRATIONS / "versions").glob(f"*_{title}.py")
    return written.read_text()


def _made(said: str) -> str:
    """The id of the key that was made."""
    found = re.search(r"^Key ([\w-]{43}) signs", said, re.MULTILINE)
    assert found, said
    return found[1]


def _keys(place: Place) -> list[str]:
    """The ids of the keys, as operators see them."""
    return re.findall(r"^ *\d+ +([\w-]{43}) ", place.run("flaskauth", "keys", "list"), re.MULTILINE)


def _known(visitor: Visitor) -> set[str]:
    """The ids of the keys, as other services see them."""
    return {key["kid"] for key in visitor.get("/.well-known/jwks.json").expect()["keys"]}
