"""Database connections with and without TLS, and servers that stop responding, on every server and driver."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from tests.conftest import SECRET, SERVERS, private_sql_servers
from tests.servers import Certificate, PrivateSqlServer

from flaskauth import Settings
from flaskauth.core.db.engine import READ_TIMEOUT, options

USER, PASSWORD = "keeper", "a:secret/with@signs?&%"
AUTH_PLUGINS = {"mariadb": "mysql_native_password", "mysql": "caching_sha2_password"}
NO_TLS_OPTIONS = {"mariadb": "--skip-ssl", "mysql": "--tls-version="}
CIPHER_QUERY = "SHOW STATUS LIKE 'Ssl_cipher'"
CERTIFICATE = Certificate()
INVALID_CERTIFICATES = {
    "different authority": Certificate(),
    "different host": Certificate(names=("elsewhere.test",)),
    "expired": Certificate(valid_for=timedelta(days=-1)),
}
LARGE_SIZE = 12_000_000  # bytes: more than the socket buffers between two processes hold


@dataclass(frozen=True)
class DatabaseAccount:
    """An account on a database server with or without TLS. It connects with the options of flaskauth."""

    server: PrivateSqlServer
    folder: Path

    def connect(self, trusting: Certificate | None = None) -> Connection:
        return create_engine(**self._options(trusting), poolclass=NullPool).connect()

    def query_one(self, query: str, trusting: Certificate | None = None, **values: object) -> Any:
        """Return the only row of the result."""
        with self.connect(trusting) as connection:
            return connection.execute(text(query), values).one()

    def _options(self, trusting: Certificate | None) -> dict[str, Any]:
        url = f"mysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.server.port}/information_schema"
        if trusting:
            authority = self.folder / "trusted.pem"
            authority.write_text(trusting.ca_pem)
            url = f"{url}?ssl_ca={authority}"
        settings = Settings.load(
            {"SECRET_KEY": SECRET, "FLASKAUTH_ENV": "development", "SQLALCHEMY_DATABASE_URI": url}, self.folder / "none"
        )
        return {name: value for name, value in options(settings).items() if not name.startswith(("pool", "max"))}

    @contextmanager
    def server_paused(self) -> Iterator[None]:
        """Stop the server process; resume it after 2 * READ_TIMEOUT, so that a client without a timeout ends too."""
        timer = threading.Timer(2 * READ_TIMEOUT, self.server.resume)
        self.server.pause()
        timer.start()
        yield
        timer.cancel()
        self.server.resume()

    def flush_cached_credentials(self) -> None:
        """Clear the server's cache of verified passwords: caching_sha2_password then requires a full authentication."""
        self.server.execute("FLUSH PRIVILEGES")

    def present_certificate(self, certificate: Certificate) -> None:
        certificate.write(self.folder / "server.pem")
        self.server.restart()


def account_on_server(name: str, folder: Path, *options: str) -> Iterator[DatabaseAccount]:
    with SERVERS[name](*options) as server:
        server.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'")
        yield DatabaseAccount(server, folder)


@pytest.fixture(scope="module", params=private_sql_servers())
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseAccount]:
    yield from account_on_server(request.param, tmp_path_factory.mktemp("plain"), NO_TLS_OPTIONS[request.param])


@pytest.fixture(scope="module", params=private_sql_servers())
def encrypted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseAccount]:
    folder = tmp_path_factory.mktemp("encrypted")
    file = folder / "server.pem"
    CERTIFICATE.write(file)
    yield from account_on_server(request.param, folder, f"--ssl-cert={file}", f"--ssl-key={file}")


def test_db_connect_without_tls_succeeds(plain: DatabaseAccount) -> None:
    for _ in range(2):
        plain.flush_cached_credentials()
        assert plain.query_one(CIPHER_QUERY)[1] == ""
    assert plain.query_one("SELECT CURRENT_USER()")[0] == f"{USER}@%"


def test_db_connect_over_tls_succeeds(encrypted: DatabaseAccount) -> None:
    for _ in range(2):
        encrypted.flush_cached_credentials()
        assert encrypted.query_one(CIPHER_QUERY, trusting=CERTIFICATE)[1]
    assert encrypted.query_one(CIPHER_QUERY, trusting=CERTIFICATE)[1]


def test_db_auth_plugin_is_the_server_default(plain: DatabaseAccount) -> None:
    plain.server.execute(f"GRANT SELECT ON mysql.* TO {USER}@'%'")

    plugin = plain.query_one("SELECT plugin FROM mysql.user WHERE user = :user", user=USER)[0]
    assert plugin == AUTH_PLUGINS[plain.server.name]


@pytest.mark.parametrize("certificate", INVALID_CERTIFICATES.values(), ids=INVALID_CERTIFICATES)
def test_db_tls_invalid_certificate_is_rejected(encrypted: DatabaseAccount, certificate: Certificate) -> None:
    trusted = CERTIFICATE if certificate is INVALID_CERTIFICATES["different authority"] else certificate
    encrypted.present_certificate(certificate)
    try:
        with pytest.raises(OperationalError, match=r"(?i)certificate|ssl|tls"):
            encrypted.query_one("SELECT 1", trusting=trusted)
    finally:
        encrypted.present_certificate(CERTIFICATE)


def test_db_ssl_ca_without_server_tls_is_rejected(plain: DatabaseAccount) -> None:
    with pytest.raises(OperationalError, match=r"(?i)ssl|tls"):
        plain.query_one("SELECT 1", trusting=CERTIFICATE)


@pytest.mark.parametrize("size", [1, LARGE_SIZE], ids=["server sends nothing", "server reads nothing"])
def test_db_silent_server_times_out(plain: DatabaseAccount, size: int) -> None:
    with plain.connect() as connection, plain.server_paused():
        started = time.monotonic()
        with pytest.raises(DBAPIError) as error:
            connection.execute(text("SELECT LENGTH(:text)"), {"text": "x" * size})

    assert error.value.connection_invalidated
    assert time.monotonic() - started < READ_TIMEOUT + 3
