"""The production guide, followed step by step; then users register through nginx."""

import json
import re
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from itertools import count

import pytest
from dotenv import dotenv_values
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import OperationalError, ProgrammingError
from tests.conftest import SERVERS, private_sql_servers
from tests.docs.code_blocks import block
from tests.docs.machine import ETC, SPOOFED_IP, Machine, create_machine
from tests.e2e.scenario import UserScenario
from tests.servers import Certificate

from flaskauth.server.run import HEADER_READ_TIMEOUT
from flaskauth.settings import with_driver

USER_NUMBERS = count(1)
PROTECTED_FILES = ("flaskauth.env", "secret_key", "migrations_url")


@pytest.fixture(scope="module", params=private_sql_servers())
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which all steps of the guide were run."""
    folder = tmp_path_factory.mktemp("machine")
    settings = block("docs/operations/production.md", "settings")
    with create_machine(folder, SERVERS[request.param](), settings) as guide_machine:
        create_system_user(guide_machine)
        start_stores(guide_machine)
        guide_machine.write(f"{ETC}/flaskauth.env", settings)
        guide_machine.write(f"{ETC}/migrations_url", block("docs/operations/production.md", "migrations"))
        assert " is at revision " in guide_machine.run_script(block("docs/operations/production.md", "migrate"))
        start_services(guide_machine)
        yield guide_machine


def create_system_user(machine: Machine) -> None:
    for name in ("passwd", "group", "shadow", "gshadow"):
        (machine.folder / "etc" / name).touch()
    machine.run_script(block("docs/operations/production.md", "user"))


def start_stores(machine: Machine) -> None:
    machine.start_database(block("docs/operations/production.md", "options"))
    machine.execute_sql(block("docs/operations/production.md", "database"))
    machine.redis.configuration = machine.adapt(block("docs/operations/production.md", "redis"))
    machine.redis.start()


def start_services(machine: Machine) -> None:
    server = machine.start_service(block("docs/operations/production.md", "server"))
    worker = machine.start_service(block("docs/operations/production.md", "worker"))
    machine.nginx.site = machine.adapt(block("docs/operations/production.md", "site"))
    machine.nginx.start()
    with closing(machine.client()) as http_client:
        server.wait_until(http_client.is_ready)
    worker.wait_for_output("worker_started")


@pytest.fixture
def scenario(machine: Machine) -> Iterator[UserScenario]:
    with closing(machine.client()) as http_client:
        yield UserScenario(http_client, machine.code_for, f"user-{next(USER_NUMBERS)}@example.com")


def test_production_full_scenario_works_through_nginx(scenario: UserScenario) -> None:
    scenario.run_full_scenario()


def test_production_files_are_unreadable_for_other_users(machine: Machine) -> None:
    etc = machine.folder / ETC
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (etc, *(etc / name for name in PROTECTED_FILES))}

    assert "flaskauth:x:" in (machine.folder / "etc/passwd").read_text()
    assert "flaskauth:" in (machine.folder / "etc/group").read_text()
    assert modes == {"flaskauth": 0o750, "flaskauth.env": 0o640, "secret_key": 0o640, "migrations_url": 0o600}
    assert len((etc / "secret_key").read_text().strip()) == 64


def test_production_database_user_cannot_alter_tables(machine: Machine) -> None:
    settings = dotenv_values(machine.folder / ETC / "flaskauth.env")
    engine = create_engine(with_driver(settings["SQLALCHEMY_DATABASE_URI"] or ""), poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM countries"))
        for statement in (
            "DROP TABLE rate_limit_counters",
            "CREATE TABLE hats (id INT)",
            "ALTER TABLE users ADD hat INT",
        ):
            with pytest.raises((OperationalError, ProgrammingError), match="denied"):
                connection.execute(text(statement))


def test_production_database_options_are_active(machine: Machine) -> None:
    engine = create_engine(machine.database.root, poolclass=NullPool)
    query = "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@max_connections"
    with engine.connect() as connection:
        assert connection.execute(text(query)).one() == (1, 1, 151)


def test_production_redis_requires_a_password(machine: Machine) -> None:
    with socket.create_connection(("127.0.0.1", machine.redis.port), 5) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(7) == b"-NOAUTH"


def test_production_remote_database_tls_is_verified(machine: Machine) -> None:
    machine.execute_sql(
        block("docs/operations/production.md", "database").partition(";\n")[2].replace("localhost", "'127.0.0.1'")
    )
    machine.write(f"{ETC}/database-ca.pem", machine.certificate.ca_pem)
    machine.write(f"{ETC}/other-ca.pem", Certificate().ca_pem)
    configured = machine.adapt(block("docs/operations/production.md", "remote")).strip()
    for url in (configured, configured.replace("mysql://", "mysql+pymysql://")):
        assert tls_cipher(url)
        for invalid in (url.replace("database-ca", "other-ca"), url.replace("127.0.0.1", "127.1")):
            with pytest.raises(OperationalError, match=r"(?i)certificate"):
                tls_cipher(invalid)


def tls_cipher(url: str) -> str:
    with create_engine(with_driver(url), poolclass=NullPool).connect() as connection:
        return str(connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1])


def test_production_spoofed_forwarded_for_is_ignored(machine: Machine, scenario: UserScenario) -> None:
    scenario.register_and_verify()
    scenario.login()

    [session] = scenario.client.get("/auth/sessions", scenario.token).expect()["sessions"]
    assert session["ip"].startswith("127.0.1.")
    assert SPOOFED_IP not in (machine.folder / "flaskauth.log").read_text()


def test_production_large_body_is_413_without_temp_file(machine: Machine, scenario: UserScenario) -> None:
    assert scenario.client.post("/auth/login", {"email": "x" * 100_000}).expect(413)["code"] == "too_large"
    assert scenario.client.post("/auth/login", {"email": "x" * 140_000}).status == 413

    assert "too large body: 140" in machine.nginx.log.read_text()
    assert "temporary file" not in machine.nginx.log.read_text()


def test_production_nginx_serves_tls_and_redirects_http(machine: Machine, scenario: UserScenario) -> None:
    response = scenario.client.get("/hello")
    context = machine.certificate.client_context()
    context.set_alpn_protocols(["h2"])
    link = socket.create_connection(("127.0.0.1", machine.nginx.port), 5)
    with context.wrap_socket(link, server_hostname="127.0.0.1") as secured:
        protocol = secured.selected_alpn_protocol()
    with closing(HTTPConnection("127.0.0.1", machine.nginx.plain_port, timeout=5)) as plain:
        plain.request("GET", "/docs?page=2")
        redirect = plain.getresponse()

    assert (response.status, protocol) == (200, "h2")
    assert "max-age=" in response.headers["Strict-Transport-Security"]
    assert response.headers["Server"] == "nginx"
    assert (redirect.status, redirect.getheader("Location")) == (
        301,
        machine.adapt("https://auth.example.com/docs?page=2"),
    )


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_production_nginx_rejects_tls_before_1_2(machine: Machine) -> None:
    def connect(newest: ssl.TLSVersion) -> None:
        context = machine.certificate.client_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        with closing(socket.create_connection(("127.0.0.1", machine.nginx.port), 5)) as link:
            context.wrap_socket(link, server_hostname="127.0.0.1").close()

    connect(ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):  # from nginx, not from this client
        connect(ssl.TLSVersion.TLSv1_1)


def test_production_nginx_passes_large_avatar_upload(machine: Machine, scenario: UserScenario) -> None:
    link = scenario.client._connection
    link.request("PUT", "/users/avatar", b"x" * 300_000, {"Content-Type": "multipart/form-data; boundary=b"})
    response = link.getresponse()

    assert (response.status, json.load(response)["code"]) == (401, "invalid_token")


def test_production_nginx_rejects_percent_encoded_paths(scenario: UserScenario) -> None:
    paths = ("/hell%6F", "/%2Fhello", "/auth%2Flogin?a=b", "/hello", "/hello?next=%2Fusers%2Fprofile")
    statuses = [scenario.client.get(path).status for path in paths]

    assert statuses == [404, 404, 404, 200, 200]


def test_production_nginx_keepalive_is_below_server_timeout() -> None:
    match = re.search(r"keepalive_timeout (\d+)s;", block("docs/operations/production.md", "site"))

    assert match
    assert int(match[1]) * 1000 < HEADER_READ_TIMEOUT


def test_production_acme_challenge_is_served_over_http(machine: Machine) -> None:
    machine.write("www/.well-known/acme-challenge/token", "proof")
    with closing(HTTPConnection("127.0.0.1", machine.nginx.plain_port, timeout=5)) as plain:
        plain.request("GET", "/.well-known/acme-challenge/token")
        assert plain.getresponse().read() == b"proof"


def test_production_health_details_are_available(machine: Machine) -> None:
    health = json.loads(machine.run_script(block("docs/operations/production.md", "health")))

    assert health["ready"] is True
    assert health["degraded"] == []
    assert {check["ok"] for check in health["checks"].values()} == {True}


def test_production_doctor_reports_no_failures(machine: Machine, scenario: UserScenario) -> None:
    scenario.register_and_verify()

    output = machine.run_script(block("docs/operations/production.md", "check"))

    assert "\n0 failed" in output
    output = " ".join(output.split())  # long findings are wrapped
    for finding in ("commits are written to disk", "no other user can read", "does not evict messages"):
        assert finding in output
    assert "registration/verify_email" in output
    assert "a-password" not in output
