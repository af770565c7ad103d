"""Settings from the environment, `.env` and files. All errors are reported together, without the values."""

import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from tests.support.tutorial import PUBLISHED_SECRET

from flaskauth.settings import Settings, SettingsError, setting_names

NO_FILE = Path("no.env")
STRONG_SECRET = "9QJ0dYBt3rC8mKxV5nPzL2sWfHgT7aUe"
PRODUCTION = {
    "FLASKAUTH_ENV": "production",
    "SECRET_KEY": STRONG_SECRET,
    "MAIL_SERVER": "smtp.example.com",
    "PUBLIC_URL": "https://auth.example.com",
}
DEVELOPMENT = {"FLASKAUTH_ENV": "development", "SECRET_KEY": STRONG_SECRET}


def load(**environ: str) -> Settings:
    return Settings.load(environ, NO_FILE)


def load_errors(**environ: str) -> list[str]:
    """Load invalid settings and return the errors."""
    with pytest.raises(SettingsError) as raised:
        load(**environ)
    assert all(error in raised.value.message for error in raised.value.errors)
    return raised.value.errors


def error_names(**environ: str) -> list[str]:
    """Load invalid settings and return the names of the settings in the errors."""
    return [error.partition(":")[0] for error in load_errors(**environ)]


INVALID_VALUES = {
    "JWT_DURATION": "ten",
    "REFRESH_TOKEN_DURATION": "0",
    "REFRESH_TOKEN_REUSE_INTERVAL": "61",
    "REFRESH_TOKEN_ROTATION": "perhaps",
    "PASSWORD_MIN_LENGTH": "7",
    "BREACHED_PASSWORDS": "/nowhere/hunter2",
    "RATE_LIMIT_FACTOR": "-1",
    "RATE_LIMIT_REGISTER": "hunter2",
    "RATE_LIMIT_LOGIN": "0/minute",
    "RATE_LIMIT_LOGIN_FAILURES": "30/minute; hunter2",
    "RATE_LIMIT_MAIL": "-5/hour",
    "RATE_LIMIT_VERIFY": "120",
    "RATE_LIMIT_REFRESH": "1000001/minute",
    "RATE_LIMIT_SEND_CODE": "60/fortnight",
    "RATE_LIMIT_DEFAULT": ";",
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


def test_settings_errors_are_all_reported_without_values(tmp_path: Path) -> None:
    environ = {
        **INVALID_VALUES,
        "FLASKAUTH_TYPO": "hunter2",
        "MAIL_PASSWORD_FILE": str(tmp_path / "hunter2"),
        "FLASKAUTH_ENV": "production",
    }
    errors = load_errors(**environ)

    names = [error.partition(":")[0] for error in errors]
    assert sorted(names) == sorted(
        [*INVALID_VALUES, "FLASKAUTH_TYPO", "MAIL_PASSWORD_FILE", "SECRET_KEY", "MAIL_SERVER"]
    )
    for value in ("hunter2", "ten", "perhaps", "n0body", "70000"):
        assert not [error for error in errors if value in error.partition(":")[2]]


@pytest.mark.parametrize(("name", "value"), INVALID_VALUES.items())
def test_settings_one_error_gives_one_message(name: str, value: str) -> None:
    [error] = load_errors(**{**DEVELOPMENT, name: value})

    assert error.startswith(f"{name}: ")


@pytest.mark.parametrize("value", ["x" * 300, "-1", "9" * 10, "9" * 5000, "1.5", "<", "\x01", "null"])
def test_every_settings_error_is_a_plain_sentence(value: str) -> None:
    """Pydantic writes "Input should be" and "String should match pattern"."""
    for name in setting_names():
        for error in Settings.load_with_errors({**DEVELOPMENT, name: value}, NO_FILE)[1]:
            assert re.match(rf"{name}: (must|contains|cannot) |\S+: cannot be read ", error), error


@pytest.mark.parametrize("name", ["=?utf-8?q?Acme?=", "Acme =?utf-8?b?4pyT?= Mail", "=?"])
def test_app_name_with_an_encoded_word_is_rejected(name: str) -> None:
    """Mail programs would decode it, so the subject of each mail with it would be rejected."""
    message = "APP_NAME: must not contain =?, which is syntax in the header of a mail"
    assert load_errors(**DEVELOPMENT, APP_NAME=name) == [message]


@pytest.mark.parametrize("value", ["production ", "Production", "staging", "test", "1"])
def test_unknown_environment_is_rejected(value: str) -> None:
    assert load_errors(FLASKAUTH_ENV=value) == ["FLASKAUTH_ENV: must be 'development' or 'production'"]


def test_unknown_flaskauth_setting_is_rejected() -> None:
    assert load_errors(**DEVELOPMENT, FLASKAUTH_TYPO="x") == ["FLASKAUTH_TYPO: unknown setting"]
    assert load(**DEVELOPMENT, MAIL_TYPO="x", PATH="/bin").is_development


def test_setting_can_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{STRONG_SECRET}\n")
    settings = load(**PRODUCTION | {"SECRET_KEY": ""}, SECRET_KEY_FILE=str(tmp_path / "secret"))
    assert settings.secrets == (STRONG_SECRET,)

    assert load_errors(**DEVELOPMENT, REDIS_URL_FILE="/nowhere") == ["REDIS_URL_FILE: cannot be read"]
    assert load_errors(**DEVELOPMENT, REDIS_URL_FILE=str(tmp_path)) == ["REDIS_URL_FILE: cannot be read"]


def test_environment_name_or_name_file_overrides_dotenv(tmp_path: Path) -> None:
    dotenv, name = tmp_path / ".env", tmp_path / "name"
    name.write_text("From a file")

    dotenv.write_text(f"APP_NAME_FILE={name}\n")
    assert Settings.load(DEVELOPMENT, dotenv).app_name == "From a file"
    assert Settings.load({**DEVELOPMENT, "APP_NAME": "Direct"}, dotenv).app_name == "Direct"
    assert Settings.load({**DEVELOPMENT, "APP_NAME": ""}, dotenv).app_name == "From a file"

    dotenv.write_text("APP_NAME=Dotenv\n")
    assert Settings.load({**DEVELOPMENT, "APP_NAME_FILE": str(name)}, dotenv).app_name == "From a file"


def test_env_file_setting_names_the_only_file(tmp_path: Path) -> None:
    named = tmp_path / "named.env"
    named.write_text("APP_NAME=Named\nFLASKAUTH_ENV=development\n")
    environ = {"SECRET_KEY": STRONG_SECRET, "FLASKAUTH_ENV_FILE": str(named)}

    settings = Settings.load(environ)
    assert (settings.app_name, settings.flaskauth_env, settings.flaskauth_env_file) == ("Named", "development", named)
    assert Settings.load({**environ, "APP_NAME": "Environment"}).app_name == "Environment"


@pytest.mark.parametrize("name", ["missing.env", "."])
def test_env_file_setting_that_cannot_be_read_fails(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load({**DEVELOPMENT, "FLASKAUTH_ENV_FILE": str(tmp_path / name)})


def test_env_file_setting_inside_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FLASKAUTH_ENV_FILE=/etc/other.env\n")

    with pytest.raises(SettingsError, match="FLASKAUTH_ENV_FILE: must be set in the environment"):
        Settings.load(DEVELOPMENT, tmp_path / ".env")


@pytest.mark.parametrize(
    "value", ["sqlite://", "sqlite:///:memory:", "mysql://u:p@localhost", "mariadb://u:p@localhost/"]
)
def test_database_uri_without_a_name_is_rejected(value: str) -> None:
    [error] = load_errors(SQLALCHEMY_DATABASE_URI=value, FLASKAUTH_ENV="development")
    assert error.startswith("SQLALCHEMY_DATABASE_URI: must name a ")


def test_relative_sqlite_path_is_in_the_working_directory(tmp_path: Path) -> None:
    """Flask-SQLAlchemy would search it in Flask's instance folder, but the commands do not use that folder."""
    settings = load(**DEVELOPMENT, SQLALCHEMY_DATABASE_URI="sqlite:///auth.db")
    with chdir(tmp_path):
        assert settings.database_url.database == str(tmp_path / "auth.db")
        assert settings.database_file == tmp_path / "auth.db"


def test_weak_secret_key_fallback_gives_a_warning() -> None:
    settings = load(**PRODUCTION, SECRET_KEY_FALLBACKS="changeme")
    assert [warning for warning in settings.warnings() if warning.startswith("SECRET_KEY_FALLBACKS")]
    assert not [warning for warning in load(**PRODUCTION).warnings() if "FALLBACKS" in warning]


def test_setting_file_not_utf8_is_reported_by_name(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    assert load_errors(**DEVELOPMENT, MAIL_PASSWORD_FILE=str(tmp_path / "binary")) == [
        "MAIL_PASSWORD_FILE: cannot be read"
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"APP_NAME=\xff\xfe", ".env: cannot be read (not valid UTF-8)"),
        (b"MAIL_PORT=25\nAPP_NAME='Library\n", ".env: line 2 is not NAME=value; check for an unclosed quote"),
    ],
)
def test_dotenv_unreadable_is_reported(tmp_path: Path, text: bytes, error: str) -> None:
    (tmp_path / ".env").write_bytes(text)

    with pytest.raises(SettingsError) as raised:
        Settings.load(DEVELOPMENT, tmp_path / ".env")
    assert raised.value.errors == [error]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("METRICS_TOKEN", "hunter2", "must have at least 16 characters"),
        ("MAIL_USE_TLS", "starttls", "must be true or false"),
        ("JWT_DURATION", "ten", "must be an integer"),
        ("SQLALCHEMY_DATABASE_URI", "mysql+aiomysql://app:pass@h/d", "names a driver that is not installed"),
        ("SQLALCHEMY_DATABASE_URI", "mysql+mysqlold://app:pass@h/d", "names a driver that is not installed"),
        (
            "SQLALCHEMY_DATABASE_URI",
            "mysql://app:p@ss@h/d",
            "contains more than one @: in the password, write @ as %40, ",
        ),
    ],
)
def test_settings_error_states_what_is_valid(name: str, value: str, expected: str) -> None:
    [error] = load_errors(**{**DEVELOPMENT, name: value})

    assert error.startswith(f"{name}: {expected}")


def test_instance_path_not_writable_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert error_names(FLASKAUTH_INSTANCE_PATH=str(tmp_path / "file" / "instance")) == ["FLASKAUTH_INSTANCE_PATH"]


def test_setting_empty_value_means_unset(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    empty = dict.fromkeys(INVALID_VALUES, "")

    assert load(**DEVELOPMENT, **empty) == load(**DEVELOPMENT)
    assert load(**DEVELOPMENT, MAIL_SERVER_FILE=str(tmp_path / "empty")).mail_server is None
    assert error_names(**PRODUCTION | {"SECRET_KEY": "", "MAIL_SERVER": ""}) == ["SECRET_KEY", "MAIL_SERVER"]


@pytest.mark.parametrize(
    ("text", "meaning"), [("False", False), ("false", False), ("0", False), ("True", True), ("1", True)]
)
def test_boolean_setting_accepts_words_and_digits(text: str, meaning: bool) -> None:
    assert load(**DEVELOPMENT, REFRESH_TOKEN_ROTATION=text).refresh_token_rotation is meaning


def test_environment_overrides_dotenv(tmp_path: Path) -> None:
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
def test_mysql_url_selects_driver_and_utf8mb4(url: str, driver: set[str]) -> None:
    parsed = load(**DEVELOPMENT, SQLALCHEMY_DATABASE_URI=url).database_url

    assert parsed.drivername in driver
    assert (parsed.username, parsed.host, parsed.database, parsed.query["charset"]) == ("u", "h", "d", "utf8mb4")


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
def test_public_url_defaults_to_server_name(environ: dict[str, str], url: str) -> None:
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
def test_environment_is_inferred_when_unset(environ: dict[str, str], expected: str) -> None:
    assert load(**{"SECRET_KEY": STRONG_SECRET, **environ}).flaskauth_env == expected


def test_database_or_mail_server_alone_implies_production() -> None:
    assert error_names(SECRET_KEY=STRONG_SECRET, SQLALCHEMY_DATABASE_URI="mysql://u:p@h/d") == ["MAIL_SERVER"]
    assert error_names(MAIL_SERVER="smtp.example.com") == ["SECRET_KEY"]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"SECRET_KEY": PUBLISHED_SECRET}, "SECRET_KEY"),
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
def test_production_rejects_weak_settings(change: dict[str, str], name: str) -> None:
    assert error_names(**PRODUCTION | change) == [name]


@pytest.mark.parametrize(
    "url", ["http://localhost:5000", "http://127.0.0.1", "http://[::1]:8000", "http://auth.localhost"]
)
def test_production_loopback_public_url_may_be_http(url: str) -> None:
    assert load(**PRODUCTION | {"PUBLIC_URL": url}).public_url == url


def test_settings_warnings_do_not_prevent_loading() -> None:
    rates = {"RATE_LIMIT_LOGIN_FAILURES": "1000000/hour", "RATE_LIMIT_MAIL": "100000/day"}
    settings = load(
        **PRODUCTION,
        **rates,
        FLASK_TESTING="1",
        RATE_LIMIT_FACTOR="2",
        REFRESH_TOKEN_ROTATION="false",
        SECOND_FACTOR_FROM="2027-01-31",
    )

    assert [warning.partition(":")[0] for warning in settings.warnings()] == [
        "APP_NAME",
        "FLASK_TESTING",
        *rates,
        "RATE_LIMIT_FACTOR",
        "REFRESH_TOKEN_ROTATION",
        "MAIL_USE_TLS",
        "SECOND_FACTOR_FROM",
    ]
    assert load(**DEVELOPMENT, SECOND_FACTOR="required", SECOND_FACTOR_FROM="2027-01-31").warnings() == []
    assert load(**PRODUCTION, APP_NAME="Acme", MAIL_USE_TLS="1").warnings() == []
    assert load(**DEVELOPMENT).warnings() == []
    assert load(**DEVELOPMENT, THEME_DIR="no/such").warnings() == ["THEME_DIR: there is no folder no/such"]


def test_settings_are_immutable() -> None:
    settings: Any = load(**DEVELOPMENT)
    with pytest.raises(Exception, match="frozen"):
        settings.jwt_duration = 1


def test_settings_repr_hides_secrets() -> None:
    secret = {
        "MAIL_PASSWORD": "hunter2-mail",
        "METRICS_TOKEN": "hunter2-metrics-token",
        "REDIS_URL": "redis://:hunter2@h",
    }
    keys = {"SECRET_KEY_FALLBACKS": "hunter2,hunter3", "AWS_SECRET_KEY": "hunter2"}
    text = repr(load(**PRODUCTION, **secret, **keys, SQLALCHEMY_DATABASE_URI="mysql://app:hunter2@db/app"))

    assert "hunter" not in text
    assert STRONG_SECRET not in text
