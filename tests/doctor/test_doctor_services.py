"""Findings about unavailable, silent, foreign or untrusted services, within a bounded time."""

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from redis import Redis as Client
from tests.doctor.helpers import invoke_doctor, run_doctor, run_doctor_process
from tests.e2e import leaks
from tests.e2e.installation import SMTP_LOGIN, Installation
from tests.e2e.processes import Workspace
from tests.servers import Certificate, SmtpSink, free_port

UNREACHABLE_DATABASE = "mysql://app:{password}@127.0.0.1:1/none"
DATABASE_CHECKS = {"session", "durability", "tables", "clock", "schema", "signing-keys", "outbox", "schedule"}


@pytest.fixture
def foreign_web_server() -> Iterator[int]:
    """The port of a web server that is not flaskauth."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(502 if "/behind" in self.path else 200)
            self.end_headers()
            self.wfile.write(b"<h1>Welcome</h1>" if "/page" in self.path else b'{"message": "Welcome"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_unreachable_database_fails(installation: Installation) -> None:
    unreachable_url = UNREACHABLE_DATABASE.format(password=secrets.token_hex())

    report = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=unreachable_url))

    assert "cannot connect to the database server (2003)" in report.assert_only_failure("database")
    assert report.checks_in_state("skipped") >= DATABASE_CHECKS


def test_wrong_database_password_fails(installation: Installation) -> None:
    url = installation.workspace.settings["SQLALCHEMY_DATABASE_URI"].replace("secret", "wrong")

    report = run_doctor(installation.workspace.with_settings(SQLALCHEMY_DATABASE_URI=url))

    assert "access denied: check user name and password (1045)" in report.assert_only_failure("database")


def test_corrupt_sqlite_file_fails(tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "flaskauth.db").write_text("hello" * 1000)

    assert ": DatabaseError" in run_doctor(Workspace(tmp_path)).assert_only_failure("database")


def test_silent_services_time_out(installation: Installation, silent_port: int) -> None:
    started_at = time.monotonic()
    report = run_doctor_process(
        installation.workspace.with_settings(
            SQLALCHEMY_DATABASE_URI=f"mysql://app:x@127.0.0.1:{silent_port}/none",
            REDIS_URL=f"redis://127.0.0.1:{silent_port}/0",
            MAIL_PORT=str(silent_port),
            PUBLIC_URL=f"https://127.0.0.1:{silent_port}",
        ),
        code=1,
    )

    assert time.monotonic() - started_at < 20
    assert report.checks_in_state("failed") == {"database", "broker", "smtp"}
    assert "public-url" in report.checks_in_state("warning")


def test_unreachable_redis_fails(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(REDIS_URL="redis://:hidden@127.0.0.1:1/0"))

    assert "Redis does not respond: Connection refused" in report.assert_only_failure("broker")
    assert report.checks_in_state("skipped") == {"queue"}


def test_redis_eviction_policy_warns(installation: Installation) -> None:
    with Client.from_url(installation.redis.url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        report = run_doctor(installation.workspace)
        client.config_set("maxmemory", "0")

    assert "noeviction" in report.assert_warning("broker")


def test_unconsumed_queue_warns(installation: Installation) -> None:
    other_redis_url = installation.redis.url.removesuffix("0") + "1"
    with Client.from_url(other_redis_url) as client:
        client.rpush("flaskauth", *range(101))
        report = run_doctor(installation.workspace.with_settings(REDIS_URL=other_redis_url))
        client.delete("flaskauth")

    assert "101 messages wait" in report.assert_warning("queue")


def test_untrusted_smtp_certificate_fails(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(MAIL_CA_FILE=""))

    assert "unable to get local issuer certificate" in report.assert_only_failure("smtp")


@pytest.mark.parametrize(
    ("certificate", "message"),
    [
        (Certificate(valid_for=timedelta(days=-1)), "certificate has expired"),
        (Certificate(names=("elsewhere.test",)), "not valid for '127.0.0.1'"),
    ],
    ids=["expired", "another's"],
)
def test_expired_or_mismatched_smtp_certificate_fails(
    installation: Installation, tmp_path: Path, certificate: Certificate, message: str
) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate.ca_pem)
    with SmtpSink(tls="starttls", login=SMTP_LOGIN, certificate=certificate) as sink:
        workspace = installation.workspace.with_settings(MAIL_PORT=str(sink.port), MAIL_CA_FILE=str(authority))
        assert message in run_doctor(workspace).assert_only_failure("smtp")


def test_expiring_smtp_certificate_warns(installation: Installation) -> None:
    assert "the certificate of 127.0.0.1 expires at 20" in run_doctor(installation.workspace).assert_warning("smtp")


def test_valid_smtp_certificate_passes(installation: Installation, tmp_path: Path) -> None:
    certificate = Certificate(valid_for=timedelta(days=90))
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate.ca_pem)
    with SmtpSink(tls="implicit", certificate=certificate) as sink:
        settings = {"MAIL_USE_TLS": "", "MAIL_USE_SSL": "true", "MAIL_USERNAME": "", "MAIL_CA_FILE": str(authority)}
        report = run_doctor(installation.workspace.with_settings(MAIL_PORT=str(sink.port), **settings))

    assert "accepts mail over TLS" in report.finding_text("smtp", "ok")


def test_wrong_smtp_password_fails(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(MAIL_PASSWORD="another")).assert_only_failure("smtp")

    assert "login 535" in report
    assert "MAIL_PASSWORD" in report


def test_unreachable_smtp_server_fails(installation: Installation) -> None:
    assert "Connection refused (connect)" in run_doctor(
        installation.workspace.with_settings(MAIL_PORT="1")
    ).assert_only_failure("smtp")


@pytest.mark.parametrize("path", ["", "/page"])
def test_other_service_at_public_url_fails(installation: Installation, foreign_web_server: int, path: str) -> None:
    report = run_doctor(installation.workspace.with_settings(PUBLIC_URL=f"http://127.0.0.1:{foreign_web_server}{path}"))

    assert "a different server responds" in report.assert_only_failure("public-url")


def test_proxy_error_at_public_url_warns(installation: Installation, foreign_web_server: int) -> None:
    report = run_doctor(
        installation.workspace.with_settings(PUBLIC_URL=f"http://127.0.0.1:{foreign_web_server}/behind")
    )

    assert "responds with 502" in report.assert_warning("public-url")


def test_unreachable_public_url_warns(installation: Installation) -> None:
    report = run_doctor(installation.workspace.with_settings(PUBLIC_URL=f"http://127.0.0.1:{free_port()}"))

    assert "does not respond to this machine: Connection refused" in report.assert_warning("public-url")


def test_doctor_output_contains_no_secrets(installation: Installation) -> None:
    credentials = {name: secrets.token_urlsafe(32) for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "METRICS_TOKEN")}
    credentials |= {"MAIL_PASSWORD": secrets.token_urlsafe(32), "AWS_SECRET_KEY": secrets.token_urlsafe(32)}
    database, redis = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    port = installation.engine.url.port
    workspace = installation.workspace.with_settings(**credentials)
    wrong_credentials = workspace.with_settings(
        SQLALCHEMY_DATABASE_URI=f"mysql://app:{database}@127.0.0.1:{port}/none",
        REDIS_URL=f"redis://:{redis}@127.0.0.1:{installation.redis.port}/0",
    )
    invalid_urls = workspace.with_settings(
        SQLALCHEMY_DATABASE_URI=f"postgres://app:{database}@x/y", REDIS_URL=f"amqp://:{redis}@x"
    )

    report = [
        invoke_doctor(variant, *options)
        for variant in (workspace, wrong_credentials, invalid_urls)
        for options in ((), ("--json",))
    ]
    output_text = "\n".join(output for _code, output in report)

    assert {code for code, _output in report} == {1}
    assert not leaks.find_leaks({*credentials.values(), database, redis}, {"output": output_text.encode()})
    assert "Traceback" not in output_text
