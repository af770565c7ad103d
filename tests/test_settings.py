"""What can be set: read from the environment, `.env` and files, and refused all at once, in words, without values."""

from pathlib import Path
from typing import Any

import pytest
from tests.tutorial import PUBLISHED

from flaskauth.settings import Settings, SettingsError

NO_FILE = Path("no.env")
GOOD_SECRET = "9QJ0dYBt3rC8mKxV5nPzL2sWfHgT7aUe"
PRODUCTION = {
    "FLASKAUTH_ENV": "production",
    "SECRET_KEY": GOOD_SECRET,
    "MAIL_SERVER": "smtp.example.com",
    "PUBLIC_URL": "https://auth.example.com",
}
DEVELOPMENT = {"FLASKAUTH_ENV": "development", "SECRET_KEY": GOOD_SECRET}


def load(**environ: str) -> Settings:
    return Settings.load(environ, NO_FILE)


def faults(**environ: str) -> list[str]:
    """What is told of settings that cannot be used."""
    with pytest.raises(SettingsError) as refusal:
        load(**environ)
    assert all(fault in refusal.value.message for fault in refusal.value.faults)
    return refusal.value.faults


def named(**environ: str) -> list[str]:
    """The names in the faults."""
    return [fault.partition(":")[0] for fault in faults(**environ)]


WRONG = {
    "JWT_DURATION": "ten",
    "REFRESH_TOKEN_DURATION": "0",
    "REFRESH_GRACE": "61",
    "REFRESH_ROTATION": "perhaps",
    "PASSWORD_MIN_LENGTH": "7",
    "BREACHED_PASSWORDS": "/nowhere/hunter2",
    "REQUEST_LIMITS": "-1",
    "MAIL_PORT": "70000",
    "MAIL_USE_TLS": "starttls",
    "MAIL_DEFAULT_SENDER": "n0body-at-all",
    "SQLALCHEMY_DATABASE_URI": "postgresql://root:hunter2@db/x",
    "REDIS_URL": "amqp://root:hunter2@redis",
    "PUBLIC_URL": "ftp://hunter2",
    "TRUSTED_PROXIES": "127.0.0.1, hunter2, 10.0.0.0/33",
    "CORS_ORIGINS": "https://app.example.com, hunter2",
    "METRICS_TOKEN": "hunter2",
    "APP_NAME": "<hunter2>",
    "WEB_CONCURRENCY": "0",
}


def test_every_fault_is_told_at_once_by_name_and_without_the_value(tmp_path: Path) -> None:
    environ = {
        **WRONG,
        "FLASKAUTH_TYPO": "hunter2",
        "MAIL_PASSWORD_FILE": str(tmp_path / "hunter2"),
        "FLASKAUTH_ENV": "production",
    }
    told = faults(**environ)

    about = [fault.partition(":")[0] for fault in told]
    assert sorted(about) == sorted([*WRONG, "FLASKAUTH_TYPO", "MAIL_PASSWORD_FILE", "SECRET_KEY", "MAIL_SERVER"])
    for value in ("hunter2", "ten", "perhaps", "n0body", "70000"):
        assert not [fault for fault in told if value in fault.partition(":")[2]]


@pytest.mark.parametrize(("name", "value"), WRONG.items())
def test_one_fault_is_one_sentence(name: str, value: str) -> None:
    [fault] = faults(**{**DEVELOPMENT, name: value})

    assert fault.startswith(f"{name}: ")


@pytest.mark.parametrize("value", ["production ", "Production", "staging", "test", "1"])
def test_there_are_two_environments(value: str) -> None:
    assert faults(FLASKAUTH_ENV=value) == ["FLASKAUTH_ENV: should be 'development' or 'production'"]


def test_an_unknown_name_of_ours_is_refused_and_of_others_is_not_ours() -> None:
    assert faults(**DEVELOPMENT, FLASKAUTH_TYPO="x") == ["FLASKAUTH_TYPO: no such setting"]
    assert load(**DEVELOPMENT, MAIL_TYPO="x", PATH="/bin").is_development


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{GOOD_SECRET}\n")
    (tmp_path / "env").write_text("production")
    settings = load(**PRODUCTION | {"SECRET_KEY": "", "FLASKAUTH_ENV": ""}, SECRET_KEY_FILE=str(tmp_path / "secret"))
    assert settings.secrets == (GOOD_SECRET,)

    assert not load(**PRODUCTION, FLASKAUTH_ENV_FILE=str(tmp_path / "env")).is_development
    assert faults(**DEVELOPMENT, REDIS_URL_FILE="/nowhere") == ["REDIS_URL_FILE: cannot be read"]
    assert faults(**DEVELOPMENT, REDIS_URL_FILE=str(tmp_path)) == ["REDIS_URL_FILE: cannot be read"]


def test_what_the_environment_says_in_either_form_wins_over_dotenv(tmp_path: Path) -> None:
    dotenv, name = tmp_path / ".env", tmp_path / "name"
    name.write_text("From a file")

    dotenv.write_text(f"APP_NAME_FILE={name}\n")
    assert Settings.load(DEVELOPMENT, dotenv).app_name == "From a file"
    assert Settings.load({**DEVELOPMENT, "APP_NAME": "Said"}, dotenv).app_name == "Said"
    assert Settings.load({**DEVELOPMENT, "APP_NAME": ""}, dotenv).app_name == "From a file"

    dotenv.write_text("APP_NAME=Kept\n")
    assert Settings.load({**DEVELOPMENT, "APP_NAME_FILE": str(name)}, dotenv).app_name == "From a file"


@pytest.mark.parametrize(
    "value", ["sqlite://", "sqlite:///:memory:", "mysql://u:p@localhost", "mariadb://u:p@localhost/"]
)
def test_a_database_without_a_name_is_refused(value: str) -> None:
    [fault] = faults(SQLALCHEMY_DATABASE_URI=value, FLASKAUTH_ENV="development")
    assert fault.startswith("SQLALCHEMY_DATABASE_URI: must name a ")


def test_a_weak_fallback_is_told_and_can_be_dropped() -> None:
    settings = load(**PRODUCTION, SECRET_KEY_FALLBACKS="changeme")
    assert [told for told in settings.warnings() if told.startswith("SECRET_KEY_FALLBACKS")]
    assert not [told for told in load(**PRODUCTION).warnings() if "FALLBACKS" in told]


def test_a_file_that_cannot_hold_text_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    assert faults(**DEVELOPMENT, MAIL_PASSWORD_FILE=str(tmp_path / "binary")) == ["MAIL_PASSWORD_FILE: cannot be read"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"APP_NAME=\xff\xfe", ".env: cannot be read (it must be UTF-8)"),
        (b"MAIL_PORT=25\nAPP_NAME='Library\n", ".env: line 2 is not NAME=value; is a quote left open?"),
    ],
)
def test_a_dotenv_that_cannot_be_read_is_told(tmp_path: Path, text: bytes, fault: str) -> None:
    (tmp_path / ".env").write_bytes(text)

    with pytest.raises(SettingsError) as refusal:
        Settings.load(DEVELOPMENT, tmp_path / ".env")
    assert refusal.value.faults == [fault]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("METRICS_TOKEN", "hunter2", "needs 16 characters or more"),
        ("MAIL_USE_TLS", "starttls", "must be true or false"),
        ("JWT_DURATION", "ten", "must be a whole number"),
        ("SQLALCHEMY_DATABASE_URI", "mysql+aiomysql://app:pass@h/d", "names a driver that is not installed"),
        ("SQLALCHEMY_DATABASE_URI", "mysql+mysqlold://app:pass@h/d", "names a driver that is not installed"),
        ("SQLALCHEMY_DATABASE_URI", "mysql://app:p@ss@h/d", "holds an @ too many: in a password @ is written %40, "),
    ],
)
def test_a_fault_says_what_would_be_right(name: str, value: str, told: str) -> None:
    [fault] = faults(**{**DEVELOPMENT, name: value})

    assert fault.startswith(f"{name}: {told}")


def test_a_secret_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert named(FLASKAUTH_INSTANCE_PATH=str(tmp_path / "file" / "instance")) == ["FLASKAUTH_INSTANCE_PATH"]


def test_an_empty_value_means_not_set(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    empty = dict.fromkeys(WRONG, "")

    assert load(**DEVELOPMENT, **empty) == load(**DEVELOPMENT)
    assert load(**DEVELOPMENT, MAIL_SERVER_FILE=str(tmp_path / "empty")).mail_server is None
    assert named(**PRODUCTION | {"SECRET_KEY": "", "MAIL_SERVER": ""}) == ["SECRET_KEY", "MAIL_SERVER"]


@pytest.mark.parametrize(
    ("text", "meaning"), [("False", False), ("false", False), ("0", False), ("True", True), ("1", True)]
)
def test_truth_is_written_in_words_or_numbers(text: str, meaning: bool) -> None:
    assert load(**DEVELOPMENT, REFRESH_ROTATION=text).refresh_rotation is meaning


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("JWT_DURATION=20\nAPP_NAME='From the file $HOME'\n# a comment\nMAIL_PORT=\n")
    settings = Settings.load({**DEVELOPMENT, "JWT_DURATION": "30"}, tmp_path / ".env")

    assert (settings.jwt_duration, settings.app_name, settings.mail_port) == (30, "From the file $HOME", None)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("mysql://u:p@h/d", {"mysql+mysqldb", "mysql+pymysql"}),
        ("mariadb://u:p@h/d", {"mysql+mysqldb", "mysql+pymysql"}),
        ("mysql+pymysql://u:p@h/d", {"mysql+pymysql"}),
        ("mysql://u:p%40%2F@h:3307/d?charset=latin1", {"mysql+mysqldb", "mysql+pymysql"}),
    ],
)
def test_a_mysql_url_works_as_it_stands(url: str, driver: set[str]) -> None:
    found = load(**DEVELOPMENT, SQLALCHEMY_DATABASE_URI=url).database_url

    assert found.drivername in driver
    assert (found.username, found.host, found.database, found.query["charset"]) == ("u", "h", "d", "utf8mb4")


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://localhost:5000"),
        ({"SERVER_NAME": "auth.example.com"}, "https://auth.example.com"),
        ({"SERVER_NAME": "auth.example.com:8443"}, "https://auth.example.com:8443"),
        ({"SERVER_NAME": "localhost:8000"}, "http://localhost:8000"),
        ({"SERVER_NAME": "127.0.0.1:8000"}, "http://127.0.0.1:8000"),
        ({"SERVER_NAME": "[::1]:8000"}, "http://[::1]:8000"),
        ({"SERVER_NAME": "a.example.com", "PUBLIC_URL": "https://b.example.com/"}, "https://b.example.com"),
    ],
)
def test_the_public_url_is_told_or_made_of_the_servers_name(environ: dict[str, str], url: str) -> None:
    settings = load(**DEVELOPMENT, **environ)

    assert settings.public_url == settings.audience == url


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "development"),
        ({"REDIS_URL": "redis://localhost"}, "development"),
        ({"FLASK_DEBUG": "True", "MAIL_SERVER": "smtp.example.com"}, "development"),
        ({"FLASK_DEBUG": "False"}, "development"),
        ({**PRODUCTION, "FLASKAUTH_ENV": ""}, "production"),
        ({**PRODUCTION, "FLASKAUTH_ENV": "", "FLASK_DEBUG": "False"}, "production"),
        ({**PRODUCTION, "FLASKAUTH_ENV": "development"}, "development"),
    ],
)
def test_unset_the_environment_follows_from_the_rest(environ: dict[str, str], expected: str) -> None:
    assert load(**{"SECRET_KEY": GOOD_SECRET, **environ}).flaskauth_env == expected


def test_a_database_or_a_mail_server_alone_is_meant_for_production() -> None:
    assert named(SECRET_KEY=GOOD_SECRET, SQLALCHEMY_DATABASE_URI="mysql://u:p@h/d") == ["MAIL_SERVER"]
    assert named(MAIL_SERVER="smtp.example.com") == ["SECRET_KEY"]


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"SECRET_KEY": PUBLISHED}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 31}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 64}, "SECRET_KEY"),
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY"),
        ({"MAIL_SERVER": ""}, "MAIL_SERVER"),
        ({"PUBLIC_URL": "http://auth.example.com"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "http://localhost.example.com"}, "PUBLIC_URL"),
        ({"FLASK_DEBUG": "True"}, "FLASK_DEBUG"),
        ({"MAIL_USE_TLS": "1", "MAIL_USE_SSL": "1"}, "MAIL_USE_TLS, MAIL_USE_SSL"),
    ],
)
def test_production_demands_more(change: dict[str, str], about: str) -> None:
    assert named(**PRODUCTION | change) == [about]


@pytest.mark.parametrize(
    "url", ["http://localhost:5000", "http://127.0.0.1", "http://[::1]:8000", "http://auth.localhost"]
)
def test_production_on_a_loopback_host_may_speak_http(url: str) -> None:
    assert load(**PRODUCTION | {"PUBLIC_URL": url}).public_url == url


def test_who_warns_starts() -> None:
    settings = load(**PRODUCTION, REQUEST_LIMITS="2", REFRESH_ROTATION="false")

    assert [told.partition(":")[0] for told in settings.warnings()] == [
        "REQUEST_LIMITS",
        "REFRESH_ROTATION",
        "MAIL_USE_TLS",
    ]
    assert load(**PRODUCTION, MAIL_USE_TLS="1").warnings() == []


def test_settings_cannot_be_changed() -> None:
    settings: Any = load(**DEVELOPMENT)
    with pytest.raises(Exception, match="frozen"):
        settings.jwt_duration = 1


def test_no_secret_is_shown() -> None:
    secret = {
        "MAIL_PASSWORD": "hunter2-mail",
        "METRICS_TOKEN": "hunter2-metrics-token",
        "REDIS_URL": "redis://:hunter2@h",
    }
    keys = {"SECRET_KEY_FALLBACKS": "hunter2,hunter3", "AWS_SECRET_KEY": "hunter2"}
    shown = repr(load(**PRODUCTION, **secret, **keys, SQLALCHEMY_DATABASE_URI="mysql://app:hunter2@db/app"))

    assert "hunter" not in shown
    assert GOOD_SECRET not in shown
