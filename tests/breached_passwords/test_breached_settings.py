"""The BREACHED_PASSWORDS setting: validation at startup, and the doctor's check."""

import os
from pathlib import Path

import pytest
from tests.breached_passwords.helpers import BREACHED_PASSWORD, FakeRangeApi, make_filter_file
from tests.doctor.helpers import run_doctor
from tests.e2e.processes import Workspace
from tests.servers import Certificate, free_port
from tests.settings.test_settings import DEVELOPMENT, PRODUCTION, load, load_errors

SETTING = "BREACHED_PASSWORDS"
CHECK = "breached-passwords"
INSTALLATION = {"FLASKAUTH_INSTANCE_PATH": "instance"}


@pytest.fixture
def filter_file(tmp_path: Path) -> Path:
    return make_filter_file(tmp_path, BREACHED_PASSWORD)


def setting_error(value: object) -> str:
    """Return the validation error without the setting's name. It must not contain the value."""
    [error] = load_errors(**DEVELOPMENT, **{SETTING: str(value)})
    assert error.startswith(f"{SETTING}: ")
    assert str(value) not in error
    return error.removeprefix(f"{SETTING}: ")


def test_setting_accepts_filter_path_or_range_api_url(filter_file: Path) -> None:
    assert load(**DEVELOPMENT).breached_passwords is None
    assert load(**PRODUCTION, **{SETTING: str(filter_file)}).breached_passwords == filter_file
    for root in ("https://ranges.example.com/range", "http://127.0.0.1:8000", "http://[::1]:8000/range"):
        assert load(**PRODUCTION, **{SETTING: f"{root}/"}).breached_passwords == root


def test_setting_rejects_unreadable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert setting_error(tmp_path / "nowhere") == "cannot be read (No such file or directory)"
    assert setting_error(tmp_path) == "cannot be read (Is a directory)"
    assert setting_error(tmp_path / "pipe").startswith("cannot be read")


def test_setting_rejects_invalid_filter_file(tmp_path: Path, filter_file: Path) -> None:
    filter_file.with_name("half").write_bytes(filter_file.read_bytes()[:5000])

    assert setting_error(tmp_path / "breached.txt") == "is not a filter; `flaskauth passwords build-filter` creates one"
    assert setting_error(tmp_path / "half") == "is a truncated filter; copy it again"


@pytest.mark.parametrize(
    "value",
    [
        "http://ranges.example.com/range",
        "https://me:hunter2@ranges.example.com",
        "ftp://ranges.example.com",
        "https:///range",
        "https://ranges.example.com/?key=hunter2",
    ],
)
def test_setting_rejects_unsafe_url(value: str) -> None:
    assert "must look like https://example.com" in setting_error(value)


def test_setting_error_is_reported_with_all_others() -> None:
    errors = load_errors(**DEVELOPMENT, **{SETTING: "/nowhere", "JWT_DURATION": "ten"})

    assert sorted(error.partition(":")[0] for error in errors) == [SETTING, "JWT_DURATION"]


def test_doctor_reports_filter(tmp_path: Path, filter_file: Path) -> None:
    assert "not checked" in run_doctor(Workspace(tmp_path, INSTALLATION)).finding_text(CHECK, "ok")
    assert f"{filter_file} contains 1 hashes; false positives: one in " in run_doctor(
        Workspace(tmp_path, {**INSTALLATION, SETTING: str(filter_file)})
    ).finding_text(CHECK, "ok")
    report = run_doctor(Workspace(tmp_path, {**INSTALLATION, SETTING: "/nowhere"}))
    assert f"{SETTING}: cannot be read" in report.assert_only_failure("settings")
    assert f"{SETTING} is invalid" in report.finding_text(CHECK, "skipped")


def test_doctor_queries_range_api_without_proxy(tmp_path: Path) -> None:
    with FakeRangeApi(BREACHED_PASSWORD) as service:
        workspace = Workspace(
            tmp_path, {**INSTALLATION, SETTING: service.base_url, "http_proxy": f"http://127.0.0.1:{free_port()}"}
        )
        assert "responds, with 21 hashes in a range" in run_doctor(workspace).finding_text(CHECK, "ok")
        service.behaviour = service.respond_500
        assert "status 500" in run_doctor(workspace).assert_only_failure(CHECK)

    assert service.requests == ["GET /range/00000"] * 2


def test_doctor_verifies_tls_certificate_of_range_api(tmp_path: Path) -> None:
    certificate = Certificate()
    (tmp_path / "authority.pem").write_text(certificate.ca_pem)
    with FakeRangeApi(BREACHED_PASSWORD, tls=certificate.server_context()) as service:
        workspace = Workspace(tmp_path, {**INSTALLATION, SETTING: service.base_url})
        assert "SSLCertVerificationError" in workspace.run("flaskauth", "doctor", expect=1)
        trusting_workspace = workspace.with_settings(SSL_CERT_FILE=str(tmp_path / "authority.pem"))
        assert "responds, with 21 hashes in a range" in trusting_workspace.run("flaskauth", "doctor")

    assert service.requests == ["GET /range/00000"]
