"""Findings about invalid and inadvisable settings, and about trusted proxies."""

import contextlib
import secrets
from pathlib import Path

import pytest
from tests.doctor.helpers import run_doctor
from tests.e2e.installation import Installation
from tests.e2e.processes import Workspace
from tests.support.tutorial import PUBLISHED_SECRET

from flaskauth.app import create_app
from flaskauth.doctor.runner import CHECK_NAMES
from flaskauth.settings import Settings


@pytest.mark.parametrize("secret", ["a short one", "abababababababababababababababababab"])
def test_weak_secret_key_fails(installation: Installation, secret: str) -> None:
    workspace = installation.workspace.with_settings(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=installation.secret)

    assert "SECRET_KEY: must have at least 32 random characters" in run_doctor(workspace).assert_only_failure(
        "settings"
    )


def test_published_secret_key_fails(installation: Installation) -> None:
    workspace = installation.workspace.with_settings(
        SECRET_KEY=PUBLISHED_SECRET, SECRET_KEY_FALLBACKS=installation.secret
    )

    assert "is a published value" in run_doctor(workspace).assert_only_failure("settings")


def test_public_url_without_https_fails(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(PUBLIC_URL="http://auth.example.com"))

    assert "PUBLIC_URL: must be https" in report.assert_only_failure("settings")
    assert "PUBLIC_URL is invalid" in report.finding_text("public-url", "skipped")


def test_invalid_settings_are_all_listed_and_checks_continue(installation: Installation) -> None:
    invalid = {"JWT_DURATION": "soon", "FLASKAUTH_TYPO": "1", "MAIL_PORT": "many", "METRICS_TOKEN_FILE": "/nowhere"}

    report = run_doctor(installation.workspace.with_settings(**invalid))
    failures = [finding["found"] for finding in report.findings if finding["check"] == "settings"]

    assert {failure.partition(":")[0] for failure in failures} == {*invalid}
    assert report.checks_in_state("skipped") == {"smtp"}
    assert report.checks_in_state("failed") == {"settings"}
    assert report.finding_text("schema", "ok")


@pytest.mark.parametrize("name", ["SQLALCHEMY_DATABASE_URI", "REDIS_URL", "TRUSTED_PROXIES"])
def test_invalid_setting_does_not_fall_back_to_default(installation: Installation, name: str) -> None:
    report = run_doctor(installation.workspace.with_settings(**{name: "nonsense"}))

    assert name in report.assert_only_failure("settings")
    assert any(f"{name} is invalid" in finding["found"] for finding in report.findings)


def test_unwritable_instance_folder_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = run_doctor(
        Workspace(tmp_path, {"FLASKAUTH_INSTANCE_PATH": "file/instance", "SECRET_KEY": secrets.token_hex(32)})
    )

    assert "cannot write to" in report.assert_only_failure("instance")
    assert "set FLASKAUTH_INSTANCE_PATH" in report.finding_text("instance", "failed")


def test_source_of_settings_is_reported(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, {"FLASKAUTH_INSTANCE_PATH": "data"})
    assert f"{tmp_path}/.env does not exist" in run_doctor(workspace).finding_text("settings", "ok")
    (tmp_path / ".env").write_text("JWT_DURATION=5\n")

    assert f"from the environment and {tmp_path}/.env" in run_doctor(Workspace(tmp_path)).finding_text("settings", "ok")


def test_undecodable_env_file_fails(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SECRET_KEY=\xff\xfe\n")

    report = run_doctor(Workspace(tmp_path))

    assert ".env: cannot be read" in report.assert_only_failure("settings")
    assert report.checks_in_state("skipped") == set(CHECK_NAMES) - {"settings"}


def test_disabled_refresh_token_rotation_warns(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(REFRESH_TOKEN_ROTATION="false"))

    assert "REFRESH_TOKEN_ROTATION: without rotation, a stolen refresh token is not detected" in report.assert_warning(
        "settings"
    )


def test_missing_app_name_warns_in_production(installation: Installation) -> None:
    warning = run_doctor(installation.workspace.with_settings(APP_NAME="")).assert_warning("settings")

    assert "APP_NAME: not set, so mails and pages say flaskauth" in warning


def test_broken_mail_template_fails(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "passwords/en/reset_code.subject.txt"
    path.parent.mkdir(parents=True)
    path.write_text("{{ nope }}")

    report = run_doctor(installation.workspace.with_settings(MAIL_TEMPLATE_FOLDER=str(tmp_path)))
    finding = report.assert_only_failure("templates")
    assert "1 error in mail templates: " in finding
    assert "'nope' is undefined" in finding


def test_broken_page_template_fails(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "pages/sign_in.html"
    path.parent.mkdir()
    path.write_text("{{ nope }}")

    report = run_doctor(installation.workspace.with_settings(MAIL_TEMPLATE_FOLDER=str(tmp_path)))
    assert "1 error in page templates: " in report.assert_only_failure("templates")


def test_raised_rate_limit_factor_warns(installation: Installation) -> None:
    assert "RATE_LIMIT_FACTOR" in run_doctor(
        installation.workspace.with_settings(RATE_LIMIT_FACTOR="100")
    ).assert_warning("settings")


@pytest.mark.parametrize("trusted", ["0.0.0.0/0", "::/0", "127.0.0.1, 203.0.0.0/8", "2000::/3"])
def test_too_broad_trusted_proxies_fail(installation: Installation, trusted: str) -> None:
    report = run_doctor(installation.workspace.with_settings(TRUSTED_PROXIES=trusted)).assert_only_failure("proxies")

    assert trusted.rpartition(", ")[2] in report


@pytest.mark.parametrize("trusted", ["10.0.0.0/8", "127.0.0.1, fd00::/8", "104.16.0.0/13", "2400:cb00::/32"])
def test_private_and_provider_proxies_pass(installation: Installation, trusted: str) -> None:
    assert run_doctor(installation.workspace.with_settings(TRUSTED_PROXIES=trusted)).finding_text("proxies", "ok")


def test_proxy_check_shows_resulting_client_ip(installation: Installation) -> None:
    report = run_doctor(installation.workspace).finding_text("proxies", "ok")

    assert "from 127.0.0.1 (proxy) counts as 203.0.113.9" in report
    assert "from 192.0.2.7 (untrusted) counts as 192.0.2.7" in report


def test_missing_trusted_proxies_warns(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(TRUSTED_PROXIES="", PUBLIC_URL="https://127.0.0.1:1"))

    assert "all clients count as the proxy" in report.assert_warning("proxies")
    assert run_doctor(installation.workspace.with_settings(TRUSTED_PROXIES="")).finding_text("proxies", "ok")


@pytest.mark.parametrize("name", ["JWT_DURATION", "PUBLIC_URL", "FLASKAUTH_ENV", "SECRET_KEY_FILE"])
def test_invalid_setting_causes_no_other_finding(tmp_path: Path, name: str) -> None:
    workspace = Workspace(tmp_path)
    with contextlib.chdir(tmp_path):
        create_app(Settings.load({}))
    expected = run_doctor(workspace)
    report = run_doctor(workspace.with_settings(**{name: "nonsense"}))
    [failure] = [finding["found"] for finding in report.findings if finding["check"] == "settings"]

    assert failure.startswith(f"{name}: ")
    for state in ("failed", "warning"):  # `public-url` depends on what listens on port 5000
        others = report.checks_in_state(state) - {"settings", "public-url"}
        assert others <= expected.checks_in_state(state)
