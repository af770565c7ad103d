"""`.env.example` is exactly what is read, and the tutorial's own `.env` starts."""

import re
from contextlib import redirect_stderr
from pathlib import Path

from dotenv import dotenv_values
from tests import tutorial
from tests.conftest import MakeApp
from tests.journal import Journal

from flaskauth.settings import Settings, names

EXAMPLE = Path(__file__).parents[1] / ".env.example"
SETTING = re.compile(r"^#([A-Z_]+)=(.*)$")


def lines() -> list[str]:
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


def settings() -> dict[str, str]:
    return {found[1]: found[2] for line in lines() if (found := SETTING.match(line))}


def test_it_names_every_setting_once_and_nothing_else() -> None:
    told = [found[1] for line in lines() if (found := SETTING.match(line))]

    assert sorted(told) == sorted(names())


def test_every_setting_has_a_comment_of_its_own() -> None:
    for before, line in zip(["", *lines()], lines(), strict=False):
        if SETTING.match(line):
            assert re.match(r"^# \S.*[.)]$", before), line


def test_there_is_nothing_in_it_but_comments() -> None:
    assert not [line for line in lines() if line and not line.startswith("#")]
    assert max(len(line) for line in lines()) <= 130


def test_what_it_shows_are_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings().items()))
    unset = {"SECRET_KEY": "k" * 32}

    assert Settings.load(unset, tmp_path / ".env") == Settings.load(unset, tmp_path / "no.env")


def test_the_rest_has_no_default(tmp_path: Path) -> None:
    unset = Settings.load({"SECRET_KEY": "k" * 32}, tmp_path / "no.env")
    derived = {"FLASKAUTH_ENV", "PUBLIC_URL", "SECRET_KEY"}

    for name, value in settings().items():
        assert name in derived or bool(value) == (getattr(unset, name.lower()) not in (None, ())), name


def test_it_can_be_copied_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())

    assert Settings.load({"SECRET_KEY": "k" * 32}, tmp_path / ".env").has_mailbox


def test_the_tutorials_own_starts_with_warnings(tmp_path: Path, database: str, make_app: MakeApp) -> None:
    (tmp_path / ".env").write_text(tutorial.env(database), encoding="utf-8")
    found = Settings.load({}, tmp_path / ".env")
    with redirect_stderr(Journal()) as journal:
        app = make_app(**pasted(tmp_path / ".env"))

    assert (found.is_development, found.public_url) == (True, "http://127.0.0.1:5000")
    assert app.test_client().get("/hello").get_json() == {"message": "Hello It Works"}
    assert [line["what"].partition(":")[0] for line in journal.of("setting")] == ["SECRET_KEY"]
    assert "7vgtdjh" not in journal.getvalue()


def pasted(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path).items() if value}
