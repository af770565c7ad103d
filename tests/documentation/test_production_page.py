"""docs/production.md, done as it stands on a machine of its own: then people join through nginx."""

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
from tests.conftest import SERVERS, private_servers
from tests.documentation.blocks import block
from tests.documentation.machine import ETC, SPOOFED, Machine, machine_with
from tests.journeys.travellers import Traveller
from tests.servers import Certificate

from flaskauth.serving import HEADERS_WITHIN
from flaskauth.settings import with_driver

NUMBERS = count(1)
GUARDED = (".env", "secret_key", "migrations_url")


@pytest.fixture(scope="module", params=private_servers())
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Somebody has followed the guide to its end."""
    folder = tmp_path_factory.mktemp("machine")
    settings = block("docs/production.md", "settings")
    with machine_with(folder, SERVERS[request.param](), settings) as found:
        make_user(found)
        start_stores(found)
        found.write(f"{ETC}/.env", settings)
        found.write(f"{ETC}/migrations_url", block("docs/production.md", "migrations"))
        assert " is at revision " in found.type(block("docs/production.md", "migrate"))
        start_services(found)
        yield found


def make_user(machine: Machine) -> None:
    for name in ("passwd", "group", "shadow", "gshadow"):
        (machine.folder / "etc" / name).touch()
    machine.type(block("docs/production.md", "user"))


def start_stores(machine: Machine) -> None:
    machine.start_database(block("docs/production.md", "options"))
    machine.query(block("docs/production.md", "database"))
    machine.redis.configuration = machine.adapt(block("docs/production.md", "redis"))
    machine.redis.start()


def start_services(machine: Machine) -> None:
    server = machine.start_service(block("docs/production.md", "server"))
    worker = machine.start_service(block("docs/production.md", "worker"))
    machine.nginx.site = machine.adapt(block("docs/production.md", "site"))
    machine.nginx.start()
    with closing(machine.visitor()) as visitor:
        server.wait_until(visitor.is_ready)
    worker.wait_for("ready.")


@pytest.fixture
def person(machine: Machine) -> Iterator[Traveller]:
    with closing(machine.visitor()) as visitor:
        yield Traveller(visitor, machine.code_for, f"person-{next(NUMBERS)}@example.com")


def test_people_go_all_the_way_through_the_proxy(person: Traveller) -> None:
    person.go_all_the_way()


def test_the_user_and_the_files_are_there_for_nobody_else(machine: Machine) -> None:
    etc = machine.folder / ETC
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (etc, *(etc / name for name in GUARDED))}

    assert "flaskauth:x:" in (machine.folder / "etc/passwd").read_text()
    assert "flaskauth:" in (machine.folder / "etc/group").read_text()
    assert modes == {"flaskauth": 0o750, ".env": 0o640, "secret_key": 0o640, "migrations_url": 0o600}
    assert len((etc / "secret_key").read_text().strip()) == 64


def test_who_serves_cannot_change_a_table(machine: Machine) -> None:
    told = dotenv_values(machine.folder / ETC / ".env")
    engine = create_engine(with_driver(told["SQLALCHEMY_DATABASE_URI"] or ""), poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM countries"))
        for statement in ("DROP TABLE budgets", "CREATE TABLE hats (id INT)", "ALTER TABLE users ADD hat INT"):
            with pytest.raises((OperationalError, ProgrammingError), match="denied"):
                connection.execute(text(statement))


def test_the_database_has_its_options(machine: Machine) -> None:
    engine = create_engine(machine.database.root, poolclass=NullPool)
    asked = "SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@max_connections"
    with engine.connect() as connection:
        assert connection.execute(text(asked)).one() == (1, 1, 151)


def test_redis_asks_for_its_password(machine: Machine) -> None:
    with socket.create_connection(("127.0.0.1", machine.redis.port), 5) as stranger:
        stranger.sendall(b"PING\r\n")
        assert stranger.recv(7) == b"-NOAUTH"


def test_a_database_elsewhere_proves_itself_by_certificate_and_name(machine: Machine) -> None:
    machine.query(block("docs/production.md", "database").partition(";\n")[2].replace("localhost", "'127.0.0.1'"))
    machine.write(f"{ETC}/database-ca.pem", machine.certificate.authority)
    machine.write(f"{ETC}/another-ca.pem", Certificate().authority)
    told = machine.adapt(block("docs/production.md", "remote")).strip()
    for url in (told, told.replace("mysql://", "mysql+pymysql://")):
        assert cipher(url)
        for another in (url.replace("database-ca", "another-ca"), url.replace("127.0.0.1", "127.1")):
            with pytest.raises(OperationalError, match=r"(?i)certificate"):
                cipher(another)


def cipher(url: str) -> str:
    with create_engine(with_driver(url), poolclass=NullPool).connect() as connection:
        return str(connection.execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1])


def test_nobody_chooses_the_network_that_they_are_counted_by(machine: Machine, person: Traveller) -> None:
    person.join()
    person.sign_in()

    [session] = person.visitor.get("/auth/sessions", person.token).expect()["sessions"]
    assert session["ip"].startswith("127.0.1.")
    assert SPOOFED not in (machine.folder / "flaskauth.log").read_text()


def test_what_is_too_large_is_refused_and_touches_no_disk(machine: Machine, person: Traveller) -> None:
    assert person.visitor.post("/auth/login", {"email": "x" * 100_000}).expect(413)["code"] == "too_large"
    assert person.visitor.post("/auth/login", {"email": "x" * 140_000}).status == 413

    assert "too large body: 140" in machine.nginx.log.read_text()
    assert "temporary file" not in machine.nginx.log.read_text()


def test_the_proxy_speaks_tls_and_sends_people_there(machine: Machine, person: Traveller) -> None:
    answer = person.visitor.get("/hello")
    trusted = machine.certificate.for_client()
    trusted.set_alpn_protocols(["h2"])
    link = socket.create_connection(("127.0.0.1", machine.nginx.port), 5)
    with trusted.wrap_socket(link, server_hostname="127.0.0.1") as secured:
        spoken = secured.selected_alpn_protocol()
    with closing(HTTPConnection("127.0.0.1", machine.nginx.plain_port, timeout=5)) as plain:
        plain.request("GET", "/docs?page=2")
        moved = plain.getresponse()

    assert (answer.status, spoken) == (200, "h2")
    assert "max-age=" in answer.headers["Strict-Transport-Security"]
    assert answer.headers["Server"] == "nginx"
    assert (moved.status, moved.getheader("Location")) == (301, machine.adapt("https://auth.example.com/docs?page=2"))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_the_proxy_speaks_no_tls_before_1_2(machine: Machine) -> None:
    def greet(newest: ssl.TLSVersion) -> None:
        trusted = machine.certificate.for_client()
        trusted.set_ciphers("ALL:@SECLEVEL=0")
        trusted.minimum_version, trusted.maximum_version = ssl.TLSVersion.TLSv1, newest
        with closing(socket.create_connection(("127.0.0.1", machine.nginx.port), 5)) as link:
            trusted.wrap_socket(link, server_hostname="127.0.0.1").close()

    greet(ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):  # nginx refuses it, not this side
        greet(ssl.TLSVersion.TLSv1_1)


def test_a_picture_comes_to_the_server_where_nothing_else_may_be_as_large(machine: Machine, person: Traveller) -> None:
    link = person.visitor._connection
    link.request("PUT", "/users/avatar", b"x" * 300_000, {"Content-Type": "multipart/form-data; boundary=b"})
    answer = link.getresponse()

    assert (answer.status, json.load(answer)["code"]) == (401, "invalid_token")


def test_the_proxy_lets_go_of_a_connection_before_the_server_does() -> None:
    told = re.search(r"keepalive_timeout (\d+)s;", block("docs/production.md", "site"))

    assert told
    assert int(told[1]) * 1000 < HEADERS_WITHIN


def test_a_certificate_can_be_renewed_over_http(machine: Machine) -> None:
    machine.write("www/.well-known/acme-challenge/token", "proof")
    with closing(HTTPConnection("127.0.0.1", machine.nginx.plain_port, timeout=5)) as plain:
        plain.request("GET", "/.well-known/acme-challenge/token")
        assert plain.getresponse().read() == b"proof"


def test_the_monitoring_reads_the_details(machine: Machine) -> None:
    told = json.loads(machine.type(block("docs/production.md", "health")))

    assert told["ready"] is True
    assert told["degraded"] == []
    assert {check["ok"] for check in told["checks"].values()} == {True}


def test_the_doctor_finds_nothing_wrong_and_mails_are_listed(machine: Machine, person: Traveller) -> None:
    person.join()

    said = machine.type(block("docs/production.md", "look"))

    assert "\n0 failed" in said
    for found in ("what was committed is on the disk", "no other user can read .env", "forgets nothing"):
        assert found in said
    assert "registration/prove_address" in said
    assert "a-password" not in said
