"""Settings that cannot be used, or should not stay; who is believed about who asks."""

import secrets
from pathlib import Path

import pytest
from tests.doctor.examining import examined
from tests.journeys.installation import Installation
from tests.journeys.processes import Place
from tests.tutorial import PUBLISHED

from flaskauth.doctor.examination import CHECKS


@pytest.mark.parametrize("secret", ["a short one", "abababababababababababababababababab"])
def test_a_weak_secret(installation: Installation, secret: str) -> None:
    changed = installation.place.having(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=installation.secret)

    assert "SECRET_KEY: needs 32 random characters" in examined(changed).fails_only("settings")


def test_a_secret_that_has_been_published(installation: Installation) -> None:
    changed = installation.place.having(SECRET_KEY=PUBLISHED, SECRET_KEY_FALLBACKS=installation.secret)

    assert "has been published" in examined(changed).fails_only("settings")


def test_an_address_without_tls(installation: Installation) -> None:
    told = examined(installation.place.having(PUBLIC_URL="http://auth.example.com"))

    assert "PUBLIC_URL: must be https" in told.fails_only("settings")
    assert "PUBLIC_URL cannot be used" in told.of("public-url", "skipped")


def test_every_fault_is_told_and_the_rest_is_looked_at(installation: Installation) -> None:
    faulty = {"JWT_DURATION": "soon", "FLASKAUTH_TYPO": "1", "MAIL_PORT": "many", "METRICS_TOKEN_FILE": "/nowhere"}

    told = examined(installation.place.having(**faulty))
    faults = [each["found"] for each in told.findings if each["check"] == "settings"]

    assert {fault.partition(":")[0] for fault in faults} == {*faulty}
    assert told.checks("skipped") == {"smtp"}
    assert told.checks("failed") == {"settings"}
    assert told.of("schema", "ok")


@pytest.mark.parametrize("name", ["SQLALCHEMY_DATABASE_URI", "REDIS_URL", "TRUSTED_PROXIES"])
def test_what_cannot_be_read_is_not_taken_for_its_default(installation: Installation, name: str) -> None:
    told = examined(installation.place.having(**{name: "nonsense"}))

    assert name in told.fails_only("settings")
    assert any(f"{name} cannot be used" in each["found"] for each in told.findings)


def test_a_folder_that_nothing_can_be_written_into(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = examined(Place(tmp_path, {"FLASKAUTH_INSTANCE_PATH": "file/instance", "SECRET_KEY": secrets.token_hex(32)}))

    assert "may not write" in told.fails_only("instance")
    assert "set FLASKAUTH_INSTANCE_PATH" in told.of("instance", "failed")


def test_it_says_from_where_the_settings_are(tmp_path: Path) -> None:
    assert f"{tmp_path}/.env is not there" in examined(Place(tmp_path)).of("settings", "ok")
    (tmp_path / ".env").write_text("JWT_DURATION=5\n")

    assert f"from the environment and {tmp_path}/.env" in examined(Place(tmp_path)).of("settings", "ok")


def test_settings_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SECRET_KEY=\xff\xfe\n")

    told = examined(Place(tmp_path))

    assert ".env: cannot be read" in told.fails_only("settings")
    assert told.checks("skipped") == set(CHECKS) - {"settings"}


def test_what_the_tutorials_client_needs_is_said(installation: Installation) -> None:
    told = examined(installation.place.having(REFRESH_ROTATION="false"))

    assert "REFRESH_ROTATION: a stolen refresh token is not noticed" in told.warns("settings")


def test_loosened_limits_are_said(installation: Installation) -> None:
    assert "REQUEST_LIMITS" in examined(installation.place.having(REQUEST_LIMITS="100")).warns("settings")


@pytest.mark.parametrize("trusted", ["0.0.0.0/0", "::/0", "127.0.0.1, 203.0.0.0/8", "2000::/3"])
def test_proxies_so_many_that_strangers_are_among_them(installation: Installation, trusted: str) -> None:
    told = examined(installation.place.having(TRUSTED_PROXIES=trusted)).fails_only("proxies")

    assert trusted.rpartition(", ")[2] in told


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", "127.0.0.1, fd00::/8", "104.16.0.0/13", "2400:cb00::/32"])
def test_proxies_of_ones_own_and_of_a_provider(installation: Installation, trusted: str) -> None:
    assert examined(installation.place.having(TRUSTED_PROXIES=trusted)).of("proxies", "ok")


def test_it_shows_whom_it_would_believe(installation: Installation) -> None:
    told = examined(installation.place).of("proxies", "ok")

    assert "one from 127.0.0.1 (the proxy) as 203.0.113.9" in told
    assert "one from 192.0.2.7 (a stranger) as 192.0.2.7" in told


def test_a_proxy_that_nobody_named(installation: Installation) -> None:
    told = examined(installation.place.having(TRUSTED_PROXIES="", PUBLIC_URL="https://127.0.0.1:1"))

    assert "everybody is counted as the proxy" in told.warns("proxies")
    assert examined(installation.place.having(TRUSTED_PROXIES="")).of("proxies", "ok")


def test_an_env_file_that_everybody_can_read(open_folder: Path) -> None:
    dotenv = open_folder / ".env"
    dotenv.write_text(f"SECRET_KEY={secrets.token_urlsafe(48)}\nMAIL_SERVER=127.0.0.1\nMAIL_PORT=1\n")
    place = Place(open_folder)

    for mode, state in ((0o644, "failed"), (0o640, "ok")):
        dotenv.chmod(mode)
        assert examined(place).of("files", state)

    dotenv.chmod(0o604)
    assert "every user of this machine can read .env" in examined(place.having(FLASKAUTH_ENV="development")).of(
        "files", "warning"
    )


def test_a_folder_that_nobody_else_enters_hides_its_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("APP_NAME=Kettles\n")
    (tmp_path / ".env").chmod(0o644)
    tmp_path.chmod(0o700)

    assert examined(Place(tmp_path)).of("files", "ok")
