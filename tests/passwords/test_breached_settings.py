"""BREACHED_PASSWORDS: what cannot be used keeps the server from starting, told with everything else that is wrong."""

import os
from pathlib import Path

import pytest
from tests.doctor.examining import examined
from tests.journeys.processes import Place
from tests.passwords.leaked import KNOWN, RangeService, filter_of
from tests.servers import Certificate, free_port
from tests.test_settings import DEVELOPMENT, PRODUCTION, faults, load

NAME = "BREACHED_PASSWORDS"
CHECK = "breached-passwords"


@pytest.fixture
def known(tmp_path: Path) -> Path:
    return filter_of(tmp_path, KNOWN)


def fault(value: object) -> str:
    """What is told of it, without its name; the value is not in it."""
    [told] = faults(**DEVELOPMENT, **{NAME: str(value)})
    assert told.startswith(f"{NAME}: ")
    assert str(value) not in told
    return told.removeprefix(f"{NAME}: ")


def test_a_filter_or_the_root_of_a_service_can_be_named(known: Path) -> None:
    assert load(**DEVELOPMENT).breached_passwords is None
    assert load(**PRODUCTION, **{NAME: str(known)}).breached_passwords == known
    for root in ("https://ranges.example.com/range", "http://127.0.0.1:8000", "http://[::1]:8000/range"):
        assert load(**PRODUCTION, **{NAME: f"{root}/"}).breached_passwords == root


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert fault(tmp_path / "nowhere") == "cannot be read (No such file or directory)"
    assert fault(tmp_path) == "cannot be read (Is a directory)"
    assert fault(tmp_path / "pipe").startswith("cannot be read")


def test_a_file_that_is_no_filter_is_a_fault(tmp_path: Path, known: Path) -> None:
    known.with_name("half").write_bytes(known.read_bytes()[:5000])

    assert fault(tmp_path / "breached.txt") == "is no filter; `flaskauth passwords build-filter` makes one"
    assert fault(tmp_path / "half") == "is a filter that was cut short; copy it again"


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
def test_a_url_that_would_tell_more_than_it_should_is_a_fault(value: str) -> None:
    assert "must look like https://example.com" in fault(value)


def test_it_is_told_with_all_others() -> None:
    told = faults(**DEVELOPMENT, **{NAME: "/nowhere", "JWT_DURATION": "ten"})

    assert sorted(each.partition(":")[0] for each in told) == [NAME, "JWT_DURATION"]


def test_the_doctor_tells_of_a_filter(tmp_path: Path, known: Path) -> None:
    assert "are not looked up" in examined(Place(tmp_path)).of(CHECK, "ok")
    assert f"{known} has 1; of others one in " in examined(Place(tmp_path, {NAME: str(known)})).of(CHECK, "ok")
    told = examined(Place(tmp_path, {NAME: "/nowhere"}))
    assert f"{NAME}: cannot be read" in told.fails_only("settings")
    assert f"{NAME} cannot be used" in told.of(CHECK, "skipped")


def test_the_doctor_asks_the_service_for_one_range_and_by_no_proxy(tmp_path: Path) -> None:
    with RangeService(KNOWN) as service:
        place = Place(tmp_path, {NAME: service.root, "http_proxy": f"http://127.0.0.1:{free_port()}"})
        assert "answers, with 21 of a range" in examined(place).of(CHECK, "ok")
        service.mood = service.fails
        assert "status 500" in examined(place).fails_only(CHECK)

    assert service.asked == ["GET /range/00000"] * 2


def test_over_tls_it_must_prove_who_it_is(tmp_path: Path) -> None:
    certificate = Certificate()
    (tmp_path / "authority.pem").write_text(certificate.authority)
    with RangeService(KNOWN, tls=certificate.for_server()) as service:
        place = Place(tmp_path, {NAME: service.root})
        assert "SSLCertVerificationError" in place.run("flaskauth", "doctor", expect=1)
        trusting = place.having(SSL_CERT_FILE=str(tmp_path / "authority.pem"))
        assert "answers, with 21 of a range" in trusting.run("flaskauth", "doctor")

    assert service.asked == ["GET /range/00000"]
