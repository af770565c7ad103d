"""`.env.example` lists exactly the settings that are read, and the tutorial's `.env` works."""

import re
from contextlib import redirect_stderr
from pathlib import Path

from dotenv import dotenv_values
from tests.conftest import MakeApp
from tests.support import tutorial
from tests.support.log_capture import LogCapture

from flaskauth.settings import Settings, setting_names

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SETTING = re.compile(r"^#([A-Z_]+)=(.*)$")


def lines() -> list[str]:
    return EXAMPLE.read_text(encoding="utf-8").splitlines()


def example_values() -> dict[str, str]:
    return {match[1]: match[2] for line in lines() if (match := SETTING.match(line))}


def test_env_example_lists_every_setting_once() -> None:
    names = [match[1] for line in lines() if (match := SETTING.match(line))]

    assert sorted(names) == sorted(setting_names())


def test_env_example_every_setting_has_a_comment() -> None:
    for before, line in zip(["", *lines()], lines(), strict=False):
        if SETTING.match(line):
            assert re.match(r"^# \S.*[.)]$", before), line


def test_env_example_contains_only_comments() -> None:
    assert not [line for line in lines() if line and not line.startswith("#")]
    assert max(len(line) for line in lines()) <= 130


def test_env_example_values_are_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in example_values().items()))
    unset = {"SECRET_KEY": "k" * 32}

    assert Settings.load(unset, tmp_path / ".env") == Settings.load(unset, tmp_path / "no.env")


def test_env_example_empty_settings_have_no_default(tmp_path: Path) -> None:
    unset = Settings.load({"SECRET_KEY": "k" * 32}, tmp_path / "no.env")
    derived = {"FLASKAUTH_ENV", "PUBLIC_URL", "SECRET_KEY"}

    for name, value in example_values().items():
        assert name in derived or bool(value) == (getattr(unset, name.lower()) not in (None, ())), name


def test_env_example_copied_unchanged_loads(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(EXAMPLE.read_text())

    assert Settings.load({"SECRET_KEY": "k" * 32}, tmp_path / ".env").has_mailbox


def test_tutorial_dotenv_starts_with_warnings(tmp_path: Path, database: str, make_app: MakeApp) -> None:
    (tmp_path / ".env").write_text(tutorial.dotenv_text(database), encoding="utf-8")
    settings = Settings.load({}, tmp_path / ".env")
    with redirect_stderr(LogCapture()) as log_capture:
        app = make_app(**nonempty_values(tmp_path / ".env"))

    assert (settings.is_development, settings.public_url) == (True, "http://127.0.0.1:5000")
    assert app.test_client().get("/hello").get_json() == {"message": "Hello It Works"}
    assert [line["detail"].partition(":")[0] for line in log_capture.events_named("configuration_warning")] == [
        "SECRET_KEY"
    ]
    assert "7vgtdjh" not in log_capture.getvalue()


def nonempty_values(path: Path) -> dict[str, str]:
    return {name: value for name, value in dotenv_values(path).items() if value}
